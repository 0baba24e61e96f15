package pack

import (
	"bytes"
	"errors"
)

// Size returns how many bytes the tar has so far, without its end.
func (w *Writer) Size() int64 { return w.offset() }

// Measure returns what Summary will say when a sample has been written. It reads nothing of what the sample holds.
func (w *Writer) Measure(s Sample) (Summary, error) {
	dry := w.rehearsal()
	if err := dry.write(s); err != nil {
		return Summary{}, s.Base.named(err)
	}
	err := dry.Flush()
	return dry.sum, err
}

// rehearsal returns a Writer that stands where w does, and only counts.
func (w *Writer) rehearsal() *Writer {
	dry := *w
	dry.dry, dry.header = true, bytes.Buffer{}
	return &dry
}

// Check returns why the samples in a directory cannot be written, if it is their fault: ErrKey or ErrTwice. Nothing is written,
// and nothing read but their keys.
func (w *Writer) Check(b Base, f Dir) error {
	if err := w.rehearsal().WriteDir(b, f); errors.Is(err, ErrKey) || errors.Is(err, ErrDuplicateExtension) {
		return err
	}
	return nil
}

// Continue says that the tar is the one that follows another, whose last sample has been written: in the shard, and in the
// numbers of samples, it goes on where that has ended.
func (w *Writer) Continue(before *Writer) {
	w.base, w.row = before.base, before.row
	w.o.First = before.o.First + before.sum.Samples
}
