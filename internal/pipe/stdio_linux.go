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

// Read implements [io.Reader].
func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	ready, err := poll(0, int32(r.file.Fd()))
	if err == nil && !ready[0] {
		err = r.wait()
	}
	if err != nil {
		return 0, err
	}
	return r.file.Read(p)
}

// wait returns when the file has something to read, or is at its end, or ctx is done.
func (r reader) wait() error {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	defer unix.Close(event)
	signalled := make(chan struct{})
	stop := context.AfterFunc(r.ctx, func() {
		defer close(signalled)
		unix.Write(event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // a number, at which event has something to read
	})
	ready, err := poll(-1, int32(r.file.Fd()), int32(event))
	if !stop() {
		<-signalled // before event is closed
	}
	if err == nil && !ready[0] {
		err = context.Cause(r.ctx)
	}
	return err
}

// poll waits up to the given number of milliseconds, or without limit if it is negative, until one of some descriptors
// can be read from without waiting, and returns which can.
func poll(timeout int, fds ...int32) (ready []bool, err error) {
	list := make([]unix.PollFd, len(fds))
	for i, fd := range fds {
		list[i] = unix.PollFd{Fd: fd, Events: unix.POLLIN}
	}
	for {
		_, err := unix.Poll(list, timeout)
		if err == unix.EINTR {
			continue
		}
		for _, p := range list {
			ready = append(ready, p.Revents != 0)
		}
		return ready, os.NewSyscallError("poll", err)
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

// Write implements [io.Writer].
func (w writer) Write(p []byte) (int, error) {
	return Await(w.ctx, func() (int, error) { return w.file.Write(p) })
}

// WhileRead returns a context that ends when ctx does, and, if file is a pipe, when its reader has closed it: the cause is
// EPIPE then, as if something had been written. The caller must call stop.
func WhileRead(ctx context.Context, file *os.File) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	none := func() { cancel(nil) }
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return ctx, none
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return ctx, none
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Nothing can be read from this end of a pipe, so it becomes ready only by an error.
		if ready, err := poll(-1, int32(file.Fd()), int32(event)); err == nil && ready[0] {
			cancel(unix.EPIPE)
		}
	}()
	return ctx, func() {
		unix.Write(event, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		<-ended
		unix.Close(event)
		cancel(nil)
	}
}

// Await returns the result of f, which may take as long as another process likes, such as opening a FIFO. Once ctx is
// done, Await returns its cause. F then continues in the background, so the process should end soon.
func Await[T any](ctx context.Context, f func() (T, error)) (result T, err error) {
	type pair struct {
		result T
		err    error
	}
	done := make(chan pair, 1)
	go func() {
		result, err := f()
		done <- pair{result, err}
	}()
	select {
	case p := <-done:
		return p.result, p.err
	case <-ctx.Done():
		return result, context.Cause(ctx)
	}
}
