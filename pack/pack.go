// Package pack writes samples to a tar.
//
// A [Writer] is given samples as they are now, one after the other, and appends what they hold: bytes that were not
// changed exactly as the shard has them, headers included, the rest under plain new headers. Samples come as sequences,
// and their order is that of the sequence: [All] yields those of a [Source], and [Choice], [Join], [Order] turn one
// sequence into another. The same samples always give the same bytes, on every machine and at any time.
//
// A directory of the view, changes included, is a [Dir]; a package that keeps changes describes them as such.
package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shardfs/shardfs/index"
)

// What can be wrong with a sample.
var (
	ErrKey     = errors.New("bad key")
	ErrChanged = errors.New("changed while it was read")
)

// Base is the shard that samples come from. The zero Base stands for none.
type Base struct {
	Name  string // for errors; "" if the caller names it
	Index *index.Index
	Plain io.ReaderAt // its plain bytes
	Size  int64       // bytes of Plain, what follows the end marker included; 0: the end is not copied
}

// named adds the shard's name to an error.
func (b Base) named(err error) error {
	if err == nil || b.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", b.Name, err)
}

// Times says which modification time a new or changed member gets.
type Times uint8

const (
	SampleTime Times = iota // that of the sample's first member in the shard
	FileTime                // the file's own, in whole seconds
	FixedTime               // Options.Fixed
)

// Options configures a Writer. The zero value writes every member of every sample under its own key, and what is
// outside samples in its place.
type Options struct {
	// DropOutside leaves out the members outside samples. False: they are written, unless Reordered.
	DropOutside bool
	// Reordered says that samples come in any order, in which members outside samples have no place: these are left out
	// and counted. False: samples of a shard come in its order.
	Reordered bool
	// OwnEnd ends the tar as every tar ends. False: if all of the tar is one unchanged shard, its end is copied to the
	// last byte.
	OwnEnd bool

	Times     Times     // of new and changed members; zero: SampleTime
	Fixed     time.Time // for FixedTime; ignored otherwise
	Selection Selection // members of each sample, and their extensions; nil: all members, unchanged

	// Rekey returns the key that a sample gets instead of its own; number is its number in the output, first for the
	// first. Nil: keys stay.
	Rekey func(key string, number int) string
	// first is the number of the first sample for Rekey. 0: numbers start at 0.
	first int
}

// Summary counts what was written and what was not.
type Summary struct {
	Samples int   `json:"samples"`
	Members int   `json:"members"`  // of samples
	Bytes   int64 `json:"bytes"`    // of plain tar, without its end before Close
	LeftOut int   `json:"left_out"` // files in the directories that are no members
	Emptied int   `json:"emptied"`  // samples without a member left
	Lacking int   `json:"lacking"`  // samples without some of the members that Options.Selection names
	Outside int   `json:"others"`   // members outside samples that were left out because of Options.Reordered
}

// Writer writes a tar. It is not safe for concurrent use. After an error it must not be used any more.
type Writer struct {
	sink    sink
	o       Options
	sum     Summary     // but for Bytes
	base    Base        // the shard of the last sample
	row     int         // its rows before this one have been dealt with
	plain   io.ReaderAt // bytes from..to of it are still to be copied
	from    int64
	to      int64
	intact  bool   // all that was written is the beginning of one shard, unchanged
	lastKey string // of the last sample written
	header  bytes.Buffer
}

// NewWriter returns a Writer to out. If out has a method CopyRange(src io.ReaderAt, off, n int64) error, it is called
// for long runs of unchanged bytes, and all other bytes are buffered until then, until Position or until Close.
func NewWriter(out io.Writer, o Options) *Writer { return newWriter(newOutput(out, 0), o) }

func newWriter(s sink, o Options) *Writer { return &Writer{sink: s, o: o, intact: !o.OwnEnd} }

// Summary returns what has been counted so far. Unchanged bytes count once Flush or a later sample has copied them.
func (w *Writer) Summary() Summary {
	sum := w.sum
	sum.Bytes = w.sink.position()
	return sum
}

// Write writes a sample, and then calls its Free. Members outside samples are written before the sample that follows
// them, unless Options say otherwise. An error wraps ErrKey, ErrChanged, ErrDuplicateExtension, [index.ErrStale] or one
// of the output or of what the sample is read from.
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

// Rest writes the members outside samples that the shard has after the last sample that was written.
func (w *Writer) Rest(b Base) error { return w.Write(End(b)) }

// Close ends the tar. If all that was written is the last shard, unchanged, its end is copied to the last byte;
// otherwise blocks of zeros fill the last record, as tar has always done. Close does not close the output.
func (w *Writer) Close() error {
	b := w.base
	same := w.intact && b.Size > 0 && w.Size() == b.Index.End() && (w.plain == nil || w.plain == b.Plain)
	if same {
		if err := w.raw(b, b.Index.End(), b.Size); err != nil {
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

// Closed returns the length of a tar with its end, given its length without, both in bytes.
func Closed(bytes int64) int64 {
	const marker, record = 2 * index.BlockSize, 20 * index.BlockSize
	end := bytes + marker
	return end + (record-end%record)%record
}

// Flush copies the unchanged bytes of the shard that are still to be copied. The bytes of the samples written so far
// are not needed any more then.
func (w *Writer) Flush() error {
	from, n := w.from, w.to-w.from
	w.from = w.to
	if n == 0 {
		return nil
	}
	return w.sink.copyRange(w.plain, from, n)
}
