package codec

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Format is how the bytes of a shard are compressed. Index files contain the numbers, so they never change.
type Format uint8

// The formats. Plain is everything that is not in one of the others.
const (
	Plain Format = iota
	Gzip
	Zstd
	Bzip2
	XZ
	LZ4
)

// formats has everything that differs between formats. A new format, or an encoder for one that can only be read so
// far, needs a row here and a file with the functions in that row.
var formats = [...]*row{
	Plain: {
		name:     "plain",
		begins:   func([]byte) bool { return false }, // a shard is Plain if no other format matches
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
		dense:    true,
		own:      beginsOwnGzip,
		readMap:  readSeekTable,
		writer:   newGzipWriter,
		maxLevel: 9,
	},
	Zstd: {
		name:     "zstd",
		begins:   beginsZstd,
		inputs:   []string{".zst", ".tzst", ".zstd"},
		outputs:  []string{".tar.zst", ".tzst"},
		decoder:  func(history int64, offer func(Checkpoint)) decoder { return newZstdDecoder(history, offer) },
		decoders: maxLargeDecoders,
		own:      beginsOwnZstd,
		readMap:  readZstdMap,
		writer:   newZstdWriter,
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
	},
	LZ4: {
		name:     "lz4",
		begins:   magic("\x04\x22\x4d\x18"),
		inputs:   []string{".lz4", ".tlz4"},
		decoder:  func(_ int64, offer func(Checkpoint)) decoder { return newLZ4Decoder(offer) },
		decoders: maxLargeDecoders,
	},
}

// row describes a format.
type row struct {
	name    string                 // as the format's command line tool spells it
	begins  func(head []byte) bool // reports whether a shard with these first bytes, 10 or fewer, is in the format
	inputs  []string               // file name extensions of its shards, for TrimSuffix
	outputs []string               // suffixes of the names of outputs; none if the format cannot be written

	// decoder returns a decoder; see newDecoder. Nil means that there is none.
	decoder func(history int64, offer func(Checkpoint)) decoder

	decoders int  // most decoders that a ReaderAt may have at the same time
	dense    bool // see Format.Dense

	// own reports whether the encoder may have written a shard with these first bytes, 18 or fewer, and readMap
	// implements ReadMap then. Nil means that there is no encoder.
	own     func(head []byte) bool
	readMap func(r io.ReaderAt, size int64) (m Map, extra []byte, ok bool)

	// writer implements Format.NewWriter for levels from 1 to maxLevel. Nil means that there is no encoder.
	writer   func(w io.Writer, level, workers int) (Encoder, error)
	maxLevel int
}

// row returns the row of a format. For an unknown number it returns a row with only a name.
func (f Format) row() *row {
	if int(f) < len(formats) {
		return formats[f]
	}
	return &row{name: fmt.Sprintf("format %d", uint8(f))}
}

// String returns the name of the format as its command line tool spells it, and "plain" for Plain.
func (f Format) String() string { return f.row().name }

// Dense reports whether a pass finds checkpoints throughout a shard, whichever tool has written it. In the other
// formats a shard can be a single frame or block, which can be decoded only from its start.
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

// Suffixes returns the suffixes of the names of outputs in a format, the most common one first. The caller must not
// change the list.
func (f Format) Suffixes() []string { return f.row().outputs }

// FormatOf returns the format for the name of an output. ok is false if the name has none of the suffixes of Outputs.
func FormatOf(name string) (f Format, ok bool) {
	for i, r := range formats {
		if slices.ContainsFunc(r.outputs, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			return Format(i), true
		}
	}
	return Plain, false
}

// TrimSuffix returns the base name of a shard without the extensions of tar and of compression: "a.tar.gz" and
// "a.tgz" become "a". It removes none if only dots or nothing would be left.
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
	isInput := func(r *row) bool { return slices.Contains(r.inputs, ext) }
	return ext == ".tar" || slices.ContainsFunc(formats[:], isInput)
}

// Encoder compresses an output. Close writes the rest and does not close the underlying writer. It must be called, even
// after an error, to end the goroutines of the Encoder. An Encoder is not safe for concurrent use, except for Written.
type Encoder interface {
	io.WriteCloser

	// SetExtra stores b with the data, where ReadMap finds it and every other reader skips it. b is not copied and must
	// not change before Close has returned. It is left out if it is too long for the format.
	SetExtra(b []byte)

	// Written returns how many plain bytes can be decoded from what has been written to the underlying writer.
	Written() int64
}

// Levels returns the lowest and the highest compression level of a format, the fastest and the smallest. The levels
// of Plain are those of gzip and have no effect. The highest is 0 if the format cannot be written.
func (f Format) Levels() (lowest, highest int) { return 1, f.row().maxLevel }

// NewWriter returns an encoder that compresses to w. Level 0 means 1, because most of a shard is JPEG or similar data,
// which hardly gets smaller with more effort. workers is the number of goroutines that compress; 0 means GOMAXPROCS.
// The output does not depend on it. The error is ErrFormat if the format has no encoder; Plain has none.
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
