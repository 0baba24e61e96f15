// Package pack writes samples to a tar.
//
// A [Writer] appends samples, as they are now, one after the other: unchanged members byte for byte as in the shard,
// including headers, and others under plain new headers. Samples come as sequences, in the order of the output: [All]
// yields those of a [Source], and [Choice], [Join] and [Order] turn one sequence into another. The same samples always
// give the same bytes, on every machine and at any time.
//
// A directory of the view, including changes, is a [Dir]; a package that keeps changes provides them in this form.
package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shardfs/shardfs/index"
)

// Errors about samples.
var (
	ErrKey     = errors.New("bad key")
	ErrChanged = errors.New("changed while it was read")
)

// Base is the shard that samples come from. The zero Base means none.
type Base struct {
	Name  string // for errors; "" if the caller adds it
	Index *index.Index
	Plain io.ReaderAt // its plain bytes
	Size  int64       // bytes of Plain, including those after the end marker; 0: do not copy the end
	Input int         // number of the input in Options.Inputs

	// InStore says that runs of Plain are copied where they are, and not read. Of the members in a run, only the headers of
	// the first one and of the one after the last are then compared with an index from a file.
	InStore bool

	// Grows is, if not nil, the index that Index is a beginning of. Bases with the same one are the same shard, of which
	// each knows more than the one before.
	Grows *index.Index
}

// is reports whether two bases are the same shard.
func (b Base) is(other Base) bool {
	return b.Index == other.Index || b.Grows != nil && b.Grows == other.Grows
}

// named adds the shard's name to an error.
func (b Base) named(err error) error {
	if err == nil || b.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", b.Name, err)
}

// Times selects the modification time of new and changed members.
type Times uint8

const (
	SampleTime Times = iota // the time of the sample's first member in the shard
	FileTime                // the file's own, in whole seconds
	FixedTime               // Options.Fixed
)

// Options configures a Writer. The zero value writes every member of every sample under its own key, and members
// outside samples where they are in the shard.
type Options struct {
	// DropOutside leaves out members outside samples. If it is false they are written, unless Reordered is set.
	DropOutside bool
	// Reordered is set if samples do not come in the order of their shard. Members outside samples then have no place;
	// they are left out and counted.
	Reordered bool
	// OwnEnd always writes a new end marker. If it is false and the whole tar is one unchanged shard, the end of that
	// is copied to the last byte.
	OwnEnd bool

	Times     Times     // time of new and changed members; zero: SampleTime
	Fixed     time.Time // for FixedTime; ignored otherwise
	Selection Selection // which members are packed, and under which extensions; nil: all, unchanged

	// Duplicates is applied to the keys that samples get.
	Duplicates Duplicates
	// Inputs are the names of the inputs if there are several.
	Inputs []string

	// Rekey returns the new key of a sample; number is its number in the output. If Rekey is nil, samples keep their
	// keys.
	Rekey func(key string, number int) string
	// first is the number of the first sample for Rekey.
	first int
}

// Summary counts what was written and what was not.
type Summary struct {
	Samples int   `json:"samples"`
	Members int   `json:"members"`  // members of samples
	Bytes   int64 `json:"bytes"`    // bytes of plain tar, before Close without its end
	LeftOut int   `json:"left_out"` // files in the directories that are not members
	Emptied int   `json:"emptied"`  // samples left out because they have no members
	Lacking int   `json:"lacking"`  // samples without some of the members in Options.Selection
	Outside int   `json:"others"`   // members outside samples that were left out because of Options.Reordered

	LeftOutFile string `json:"-"` // the first of LeftOut: its path below the directory that was packed; "" is not known
}

// Writer writes a tar. It is not safe for concurrent use, and must not be used after an error.
type Writer struct {
	sink    sink
	o       Options
	sum     Summary     // without Bytes
	base    Base        // shard of the last sample
	row     int         // its rows before this one are done
	plain   io.ReaderAt // its bytes from..to are still to be copied
	from    int64
	to      int64
	run     Base   // that these bytes are of
	after   int    // its row after them
	intact  bool   // the tar so far is the unchanged beginning of one shard
	lastKey string // key of the last sample written
	exts    *extensions
	keys    *KeySet      // of all samples written; nil: they need not be known
	starts  []inputStart // in order of offsets; only with keys
	header  bytes.Buffer
	block   [index.BlockSize]byte // part of the output, before it is written
}

// NewWriter returns a Writer to out. If out has a method CopyRange(src io.ReaderAt, off, n int64) error, the Writer
// calls it for long runs of unchanged bytes, and buffers other bytes until then, until Position or until Close.
func NewWriter(out io.Writer, o Options) *Writer { return newWriter(newOutput(out, 0), o) }

func newWriter(s sink, o Options) *Writer {
	w := &Writer{sink: s, o: o, intact: !o.OwnEnd, exts: new(extensions)}
	if o.tracks() {
		w.keys = NewKeySet()
	}
	return w
}

// Summary returns the counts so far. Unchanged bytes count once Flush or a later sample has copied them.
func (w *Writer) Summary() Summary {
	sum := w.sum
	sum.Bytes = w.sink.position()
	return sum
}

// Write writes a sample, and then calls its Free. Members outside samples are written before the next sample, unless
// the Options leave them out. An error wraps ErrKey, ErrSameKey, ErrChanged, ErrDuplicateExtension, [index.ErrStale], or an error
// of the output or of reading the sample.
func (w *Writer) Write(s Sample) error {
	if err := w.write(s); err != nil {
		return s.Base.named(err)
	}
	if s.Free == nil {
		return nil
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return s.Free()
}

// WriteDir writes the samples in one directory; see Samples.
func (w *Writer) WriteDir(b Base, d Dir) error {
	samples, err := Samples(b, d)
	if err != nil {
		return err
	}
	for _, s := range samples {
		if err := w.Write(s); err != nil {
			return err
		}
	}
	return nil
}

// Rest writes the members outside samples after the last sample that was written.
func (w *Writer) Rest(b Base) error { return w.Write(End(b)) }

// Close ends the tar. If the tar is one whole unchanged shard, Close copies its end to the last byte; otherwise it pads
// the last record with zeros, as tar does. Close does not close the output.
func (w *Writer) Close() error {
	b := w.base
	same := w.intact && b.Size > 0 && w.Size() == b.Index.End() && (w.plain == nil || w.plain == b.Plain)
	if same {
		if err := w.raw(b, b.Index.End(), b.Size, b.Index.Rows()); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !same {
		if err := w.sink.put(make([]byte, Closed(w.Size())-w.Size())); err != nil {
			return err
		}
	}
	return w.sink.flush()
}

// Closed returns the length in bytes of a tar with its end marker and padding, given its length without.
func Closed(bytes int64) int64 {
	const marker, record = 2 * index.BlockSize, 20 * index.BlockSize
	end := bytes + marker
	return end + (record-end%record)%record
}

// Flush copies the unchanged bytes that are still to be copied. Afterwards the Writer does not need the bytes of the
// samples written so far.
func (w *Writer) Flush() error {
	from, n := w.from, w.to-w.from
	w.from = w.to
	if n == 0 {
		return nil
	}
	if err := w.checkEnd(); err != nil {
		return err
	}
	return w.sink.copyRange(w.plain, from, n)
}
