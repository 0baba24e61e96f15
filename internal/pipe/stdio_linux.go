package pipe

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// NewReader returns a reader of a file that returns the cause of ctx once ctx is done, even while the file, such as a
// terminal or a pipe, has nothing to read.
func NewReader(ctx context.Context, file *os.File) io.Reader { return reader{ctx, file} }

type reader struct {
	ctx  context.Context
	file *os.File
}

func (r reader) Read(p []byte) (int, error) {
	const tick = 200 // milliseconds: how late the end of ctx may be noticed
	fds := []unix.PollFd{{Fd: int32(r.file.Fd()), Events: unix.POLLIN}}
	for {
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		if n, err := unix.Poll(fds, tick); n > 0 {
			return r.file.Read(p)
		} else if err != nil && err != unix.EINTR {
			return 0, err
		}
	}
}

// NewWriter returns a writer to a file that returns the cause of ctx once ctx is done, even while the reader of the
// file takes nothing. Polling cannot do that: a pipe that is ready for some bytes need not be ready for all of them,
// and whether it blocks is shared with other processes.
//
// A write that ctx ends continues in the background and may still take place, so the process should end soon.
func NewWriter(ctx context.Context, file *os.File) io.Writer { return writer{ctx, file} }

type writer struct {
	ctx  context.Context
	file *os.File
}

func (w writer) Write(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	written := make(chan result, 1)
	go func() {
		n, err := w.file.Write(p)
		written <- result{n, err}
	}()
	select {
	case r := <-written:
		return r.n, r.err
	case <-w.ctx.Done():
		return 0, context.Cause(w.ctx)
	}
}
