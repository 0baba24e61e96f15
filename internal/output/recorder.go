package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/store"
)

// recorder passes the bytes of an output on and keeps the first error: it is the output's, whichever shard or sample
// was being read. It is safe for concurrent use if the writer is.
type recorder struct {
	io.Writer

	mu  sync.Mutex
	err error // guarded by mu
}

// newRecorder returns a writer to w, which copies ranges if w does, and its recorder.
func newRecorder(w io.Writer) (io.Writer, *recorder) {
	r := &recorder{Writer: w}
	if ranger, ok := w.(store.RangeCopier); ok {
		return &rangeRecorder{r, ranger}, r
	}
	return r, r
}

// Write implements [io.Writer].
func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	r.record(err)
	return n, err
}

func (r *recorder) record(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// rangeRecorder is a recorder that can copy ranges.
type rangeRecorder struct {
	*recorder
	ranger store.RangeCopier
}

// CopyRange implements [store.RangeCopier]. An error can be one of reading, unless it says so, or is about room.
func (r *rangeRecorder) CopyRange(src io.ReaderAt, off, n int64) error {
	err := r.ranger.CopyRange(src, off, n)
	if own := new(store.WriteError); errors.As(err, &own) {
		r.record(err)
	}
	for _, full := range []error{unix.ENOSPC, unix.EDQUOT, unix.EFBIG} {
		if errors.Is(err, full) {
			r.record(err)
		}
	}
	return err
}

// WriteError returns the error, with the output's name, that has ended the writing; nil if there is none, or out is nil.
func (out *Output) WriteError() error {
	if out == nil {
		return nil
	}
	out.written.mu.Lock()
	defer out.written.mu.Unlock()
	if out.written.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", out.Name, out.written.err)
}

// explain returns the WriteError instead of err, if there is one, else what Options.Explain returns.
func (out *Output) explain(ctx context.Context, err error) error {
	if writeErr := out.WriteError(); writeErr != nil && ctx.Err() == nil {
		return writeErr
	}
	return out.o.Explain(ctx, err)
}
