package pack

import (
	"bytes"
	"errors"
	"slices"
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
	dry.keys, dry.starts = w.keys.branch(), slices.Clip(w.starts)
	return &dry
}

// Check returns an error that wraps ErrKey, ErrSameKey or ErrDuplicateExtension if the samples in a directory cannot be written for
// that reason, else nil. It writes nothing, and reads only keys.
func (w *Writer) Check(b Base, d Dir) error {
	err := w.rehearsal().WriteDir(b, d)
	for _, bad := range []error{ErrKey, ErrSameKey, ErrDuplicateExtension} {
		if errors.Is(err, bad) {
			return err
		}
	}
	return nil
}

// Continue makes w, a new Writer, continue after the last sample of before: at its place in the shard, and with its
// numbering of samples, and with the keys before.
func (w *Writer) Continue(before *Writer) {
	w.base, w.row = before.base, before.row
	w.o.first = before.o.first + before.sum.Samples
	w.exts, w.keys = before.exts, before.keys
}
