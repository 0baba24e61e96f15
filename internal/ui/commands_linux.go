package ui

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// CommandErr returns the file for standard error of other programs that this process starts and waits for: Err or,
// while a line of progress may be drawn, a pipe whose bytes come to Err without touching that line. What a program has
// written stands before the messages about it. It ends with Close.
func (u *UI) CommandErr() *os.File {
	err, ok := u.Err.(*os.File)
	if !ok || !u.draws() {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.commands == nil {
		c, failed := newCommands(u)
		if failed != nil {
			return err // too many open files: rather a line among others than no message
		}
		u.commands = c
	}
	return u.commands.in
}

// Close ends what CommandErr has begun.
func (u *UI) Close() {
	u.mu.Lock()
	c := u.commands
	u.commands = nil
	u.mu.Unlock()
	if c != nil {
		c.close()
	}
}

// commands copies what other programs write to a pipe.
type commands struct {
	ui    *UI
	in    *os.File // the programs' end
	end   [2]int   // a pipe that is closed to end the copying
	ended chan struct{}

	mu  sync.Mutex // guards the fields below
	out int        // the other end of in
	buf []byte     // as large as a pipe
}

func newCommands(u *UI) (*commands, error) {
	c := &commands{ui: u, ended: make(chan struct{}), buf: make([]byte, 64<<10)}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	if err := unix.Pipe2(c.end[:], unix.O_CLOEXEC); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, err
	}
	unix.SetNonblock(p[0], true)
	c.out, c.in = p[0], os.NewFile(uintptr(p[1]), "standard error")
	go c.copy()
	return c, nil
}

// copy copies until it is ended.
func (c *commands) copy() {
	defer close(c.ended)
	for {
		fds := []unix.PollFd{{Fd: int32(c.out), Events: unix.POLLIN}, {Fd: int32(c.end[0])}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR || fds[1].Revents != 0 {
			return
		}
		c.drain()
	}
}

// drain copies what is in the pipe.
func (c *commands) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := unix.Read(c.out, c.buf)
	if err != nil || n <= 0 {
		return
	}
	c.ui.mu.Lock()
	defer c.ui.mu.Unlock()
	c.ui.write(c.ui.Err, c.buf[:n])
}

// close ends the copying. A program that has left its group and still writes is not waited for.
func (c *commands) close() {
	unix.Close(c.end[1])
	<-c.ended
	c.drain()
	c.in.Close()
	unix.Close(c.end[0])
	c.mu.Lock()
	defer c.mu.Unlock()
	unix.Close(c.out)
	c.out = -1 // for a message that is just being written
}
