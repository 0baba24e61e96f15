package pipe

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// NewReader returns a reader of a file, such as a terminal or a pipe. Once ctx is done, Read returns its cause, even if
// the file has nothing to read.
func NewReader(ctx context.Context, file *os.File) io.Reader { return reader{ctx, file} }

type reader struct {
	ctx  context.Context
	file *os.File
}

func (r reader) Read(p []byte) (int, error) {
	const tick = 200 // milliseconds until the end of ctx is noticed
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

// NewWriter returns a writer to a file. Once ctx is done, Write returns its cause, even while the other end of a pipe
// reads nothing. Polling cannot do that: a pipe that is ready for some bytes need not be ready for all of them, and
// O_NONBLOCK would apply to other processes that share the file.
//
// A write that ctx has interrupted continues in the background and may still take place, so the process should end
// soon.
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
