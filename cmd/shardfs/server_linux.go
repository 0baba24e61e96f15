package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// serverVariable tells a process of ours that it was started to serve a mount, and that these descriptors are its link to
// the one that started it. It says "mount" where the server outlives that process and "run" where it does not.
const serverVariable = "SHARDFS_SERVER"

const (
	readyFD = 3 // written to when the mount is ready
	aliveFD = 4 // what comes there is sent back; at its end when the other process is
)

// server is a process of ours that serves a mount.
type server struct {
	cmd   *exec.Cmd
	alive *os.File      // what is sent there comes back as long as the process lives
	ended chan struct{} // closed when the process has ended, if it is watched
	err   error         // how, afterwards
}

// startServer starts a server in the background and returns when its mount is ready.
func startServer(ctx context.Context, args []string) error {
	unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // what else this process was started with is not the server's
	s, err := launchServer(ctx, "mount", args)
	if err != nil {
		return err
	}
	return s.cmd.Process.Release()
}

// launchServer starts this program again with args, which serve a mount in the foreground, and waits until it is ready.
// A server that fails says why itself.
func launchServer(ctx context.Context, kind string, args []string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	readyIn, readyOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyIn.Close()
	defer readyOut.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	alive, theirs := os.NewFile(uintptr(pair[0]), "alive"), os.NewFile(uintptr(pair[1]), "alive")
	defer theirs.Close()
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), serverVariable+"="+kind)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{readyOut, theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, alive.Close())
	}
	s := &server{cmd: cmd, alive: alive}
	readyOut.Close()
	ready := make(chan bool, 1)
	go func() {
		_, err := io.ReadFull(readyIn, make([]byte, 1))
		ready <- err == nil
	}()
	select {
	case ok := <-ready:
		if ok {
			return s, nil
		}
		err = cmd.Wait()
		if err == nil {
			err = errors.New("the server ended before the mount was ready")
		} else {
			err = saidBy(err)
		}
	case <-ctx.Done():
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
		err = context.Cause(ctx)
	}
	return nil, errors.Join(err, alive.Close())
}

// watch takes note of the server's end. It is ended by stop.
func (s *server) watch() {
	s.ended = make(chan struct{})
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
}

// died reports how a server that is watched has ended before it was told to; nil: it has not. It asks the server. One that
// answers has let no request to its mount fail until then: there is an error only when no thread of it is left, and of that
// this process is told later than whoever uses the mount.
func (s *server) died() error {
	b := []byte{0}
	if _, err := s.alive.Write(b); err == nil {
		if _, err = s.alive.Read(b); err == nil {
			return nil
		}
	}
	<-s.ended
	return fmt.Errorf("the server of the mount has ended: %v", s.cmd.ProcessState)
}

// stop ends a server that is watched and returns when it has unmounted.
func (s *server) stop() error {
	err := s.alive.Close()
	<-s.ended
	return errors.Join(err, s.err)
}

// parentLink is a server's link to the process that started it. A server that the user started has none.
type parentLink struct {
	kind  string
	alive chan struct{}
}

func newParentLink() (*parentLink, error) {
	p := &parentLink{kind: os.Getenv(serverVariable), alive: make(chan struct{})}
	if p.kind == "" {
		return p, nil
	}
	for _, fd := range []int{readyFD, aliveFD} {
		unix.CloseOnExec(fd)
	}
	if p.kind == "run" {
		go func() {
			answer(os.NewFile(aliveFD, "alive"))
			close(p.alive)
		}()
		return p, os.Unsetenv(serverVariable)
	}
	return p, errors.Join(unix.Close(aliveFD), os.Unsetenv(serverVariable))
}

// answer sends back what comes, until nothing does any more.
func answer(alive *os.File) {
	b := make([]byte, 1)
	for {
		if _, err := alive.Read(b); err != nil {
			return
		}
		alive.Write(b)
	}
}

// gone is closed when the other process has ended and the server shall end with it.
func (p *parentLink) gone() <-chan struct{} { return p.alive }

// ready tells the other process that the mount is ready, and lets go of the user's terminal and directory: messages go to
// the log from now on.
func (p *parentLink) ready(log string) error {
	if p.kind == "" {
		return nil
	}
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd, file := range []*os.File{null, null, f} {
		if err := unix.Dup3(int(file.Fd()), fd, 0); err != nil {
			return err
		}
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	ready := os.NewFile(readyFD, "ready")
	_, err = io.Copy(ready, strings.NewReader("."))
	return errors.Join(err, ready.Close())
}
