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
