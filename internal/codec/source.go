package codec

import (
	"context"
	"io"
)

// Source has the compressed bytes for a [ReaderAt]. It is safe for concurrent use.
type Source interface {
	// ReadAt reads len(p) bytes at off, like [io.ReaderAt]. If ctx ends while it waits, it returns the cause.
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// advisor is a [Source] that can prepare for reads.
type advisor interface {
	// WillRead announces that n bytes at off will be read soon. It does not wait for them.
	WillRead(off, n int64)
}

// FromReaderAt returns a Source that reads from r. Reads of r must not block for long, because the context is checked
// only before each read.
func FromReaderAt(r io.ReaderAt) Source { return plainSource{r} }

type plainSource struct{ r io.ReaderAt }

func (s plainSource) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return s.r.ReadAt(p, off)
}

// sourceReader reads a source in order, from off to size. ctx is set before each use.
type sourceReader struct {
	ctx  context.Context // of the read in progress
	src  Source
	off  int64
	size int64
	told int64 // where the bytes end that were announced; no read goes across
}

func (r *sourceReader) Read(p []byte) (int, error) {
	if r.off >= r.size {
		return 0, io.EOF
	}
	end := r.size
	if r.off < r.told {
		end = min(end, r.told)
	}
	n, err := r.src.ReadAt(r.ctx, p[:min(int64(len(p)), end-r.off)], r.off)
	r.off += int64(n)
	if err == io.EOF && n > 0 {
		err = nil // the next call returns it again
	}
	return n, err
}
