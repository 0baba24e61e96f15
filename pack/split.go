package pack

import (
	"bytes"
	"errors"
)

// Size returns the size of the tar so far, without its end.
func (w *Writer) Size() int64 { return w.sink.position() + w.to - w.from }

// Measure returns what Summary would return after the sample was written and flushed. It does not read the sample's
// content, and changes nothing.
func (w *Writer) Measure(s Sample) (Summary, error) {
	dry := w.rehearsal()
	if err := dry.write(s); err != nil {
		return Summary{}, s.Base.named(err)
	}
	err := dry.Flush()
	return dry.Summary(), err
}

// rehearsal returns a copy of w that only counts.
func (w *Writer) rehearsal() *Writer {
	dry := *w
	dry.sink, dry.header = &estimate{w.sink.position()}, bytes.Buffer{}
	return &dry
}

// Check returns an error that wraps ErrKey or ErrDuplicateExtension if the samples in a directory cannot be written for
// that reason, else nil. It writes nothing, and reads only keys.
func (w *Writer) Check(b Base, d Dir) error {
	if err := w.rehearsal().WriteDir(b, d); errors.Is(err, ErrKey) || errors.Is(err, ErrDuplicateExtension) {
		return err
	}
	return nil
}

// Continue makes w, a new Writer, continue after the last sample of before: at its place in the shard, and with its
// numbering of samples.
func (w *Writer) Continue(before *Writer) {
	w.base, w.row = before.base, before.row
	w.o.first = before.o.first + before.sum.Samples
	w.exts = before.exts
}
