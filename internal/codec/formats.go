package codec

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Format names how the bytes of a shard are compressed. The numbers stand in index files and never change.
type Format uint8

// The formats. Plain is everything that is not compressed, or in no way that is known here.
const (
	Plain Format = iota
	Gzip
	Zstd
	Bzip2
	XZ
	LZ4
)

// formats has all that differs between formats. A new format, or a new way to write one, is a row here and a file with the
// functions that the row names.
var formats = [...]*row{
	Plain: {
		name:     "plain",
		begins:   func([]byte) bool { return false }, // known by being nothing else
		outputs:  []string{".tar"},
		maxLevel: 9,
	},
	Gzip: {
		name:     "gzip",
		begins:   magic(gzipMagic),
		inputs:   []string{".gz", ".tgz"},
		outputs:  []string{".tar.gz", ".tgz"},
		decoder:  func(_ int64, offer func(Checkpoint)) decoder { return newGzipDecoder(offer) },
		decoders: maxDecoders,
		windows:  true,
		dense:    true,
		readMap:  readGzipMap,
		writer:   func(w io.Writer, level, workers int) (Encoder, error) { return newGzipWriter(w, level, workers) },
		maxLevel: 9,
	},
	Zstd: {
		name:     "zstd",
		begins:   beginsZstd,
		inputs:   []string{".zst", ".tzst", ".zstd"},
		outputs:  []string{".tar.zst", ".tzst"},
		decoder:  func(history int64, offer func(Checkpoint)) decoder { return newZstdDecoder(history, offer) },
		decoders: maxLargeDecoders,
		readMap:  readZstdMap,
		writer:   func(w io.Writer, level, workers int) (Encoder, error) { return newZstdWriter(w, level, workers) },
		maxLevel: 19,
	},
	Bzip2: {
		name:     "bzip2",
		begins:   beginsBzip2,
		inputs:   []string{".bz2", ".tbz2", ".tbz"},
		decoder:  func(_ int64, offer func(Checkpoint)) decoder { return newBzip2Decoder(offer) },
		decoders: maxLargeDecoders,
		dense:    true,
	},
	XZ: {
		name:     "xz",
		begins:   magic(xzMagic),
		inputs:   []string{".xz", ".txz"},
		decoder:  func(history int64, offer func(Checkpoint)) decoder { return newXZDecoder(history, offer) },
		decoders: maxLargeDecoders,
		readMap:  readXZMap,
	},
	LZ4: {
		name:     "lz4",
		begins:   magic("\x04\x22\x4d\x18"),
		inputs:   []string{".lz4", ".tlz4"},
		decoder:  func(_ int64, offer func(Checkpoint)) decoder { return newLZ4Decoder(offer) },
		decoders: maxLargeDecoders,
	},
}

// row is what there is to know of a format.
type row struct {
	name    string                 // as the format's command line tool spells it
	begins  func(head []byte) bool // reports whether the first 10 bytes of a shard, or fewer, begin the format
	inputs  []string               // extensions that the names of its shards may have
	outputs []string               // suffixes of the names of outputs; none if the format is not written

	decoder  func(history int64, offer func(Checkpoint)) decoder            // see newDecoder; nil: there is none
	decoders int                                                            // that a ReaderAt may have at the same time
	windows  bool                                                           // checkpoints may need a Window
	dense    bool                                                           // see Format.Dense
	readMap  func(r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) // see ReadMap; nil: a pass is always needed

	writer   func(w io.Writer, level, workers int) (Encoder, error) // nil: the format is not written, or needs no encoder
	maxLevel int                                                    // see Format.Levels
}

// row returns the row of a format. That of a number that is no format has a name and nothing else.
func (f Format) row() *row {
	if int(f) < len(formats) {
		return formats[f]
	}
	return &row{name: fmt.Sprintf("format %d", uint8(f))}
}

// String returns the name of the format as its command line tool spells it, and "plain" for Plain.
func (f Format) String() string { return f.row().name }

// Dense reports whether a pass finds checkpoints all over a shard, whichever tool has written it. In other formats a shard
// can be a single frame or block, which can be decoded only from its start.
func (f Format) Dense() bool { return f.row().dense }

// Outputs returns the formats that can be written, Plain first.
func Outputs() (list []Format) {
	for i, r := range formats {
		if len(r.outputs) > 0 {
			list = append(list, Format(i))
		}
	}
	return list
}

// Suffixes returns what the names of outputs in a format end in, the most usual first. The list is not to be changed.
func (f Format) Suffixes() []string { return f.row().outputs }

// FormatOf returns the format in which an output is to be written, by its name. ok is false where the name has no suffix of
// a format that can be written.
func FormatOf(name string) (f Format, ok bool) {
	for i, r := range formats {
		if slices.ContainsFunc(r.outputs, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			return Format(i), true
		}
	}
	return Plain, false
}

// TrimSuffix returns the base name of a shard without what says that it is a tar and how it is compressed: "a.tar.gz" and
// "a.tgz" become "a". It leaves at least a name that is neither empty nor all dots.
func TrimSuffix(base string) string {
	for {
		ext := path.Ext(base)
		stem := strings.TrimSuffix(base, ext)
		if !isShardExt(ext) || strings.Trim(stem, ".") == "" {
			return base
		}
		base = stem
	}
}

func isShardExt(ext string) bool {
	return ext == ".tar" || slices.ContainsFunc(formats[:], func(r *row) bool { return slices.Contains(r.inputs, ext) })
}

// Encoder compresses an output. Closing it writes what is left but does not close the underlying writer; it must be closed,
// even after an error, to end its goroutines. It is not safe for concurrent use, except for Written.
type Encoder interface {
	io.WriteCloser

	// SetExtra keeps bytes beside the data, where ReadMap finds them and every other reader skips them. They are not copied
	// and must not change before Close has returned. What the format has no room for is left out.
	SetExtra(b []byte)

	// Written returns how many plain bytes can be decoded from what the underlying writer has been given.
	Written() int64
}

// Levels returns the lowest and the highest compression level of a format, from fast to small. Plain has those of gzip, and
// they change nothing. The highest is 0 where the format cannot be written.
func (f Format) Levels() (lowest, highest int) { return 1, f.row().maxLevel }

// NewWriter returns an encoder that compresses to w. Level 0 means 1, because JPEG and the like, most of a shard, hardly get
// smaller with more effort. The bytes written do not depend on workers, the number of goroutines that compress; 0 means
// GOMAXPROCS. The error is ErrFormat where the format has no encoder, which includes Plain.
func (f Format) NewWriter(w io.Writer, level, workers int) (Encoder, error) {
	lowest, highest := f.Levels()
	switch writer := f.row().writer; {
	case writer == nil:
		return nil, fmt.Errorf("%w: no encoder for %s", ErrFormat, f)
	case level == 0:
		return writer(w, lowest, workers)
	case level < lowest || level > highest:
		return nil, fmt.Errorf("%s level %d: want %d to %d", f, level, lowest, highest)
	default:
		return writer(w, level, workers)
	}
}
