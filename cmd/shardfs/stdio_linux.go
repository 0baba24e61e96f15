package main

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// interruptible reads a file until ctx is done, also while it waits for a producer that says nothing.
type interruptible struct {
	ctx  context.Context
	file *os.File
}

func (r interruptible) Read(p []byte) (int, error) {
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

// abandonable writes to a file until ctx is done, also while it waits for a reader that takes nothing. It cannot be polled
// for that: a pipe that takes some bytes need not take all of them, and whether it blocks is shared with other processes.
type abandonable struct {
	ctx  context.Context
	file *os.File
}

// Write writes p. If ctx is done first, the write goes on until this process ends, which therefore has to be soon.
func (w abandonable) Write(p []byte) (int, error) {
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
