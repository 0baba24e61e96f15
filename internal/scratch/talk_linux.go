package scratch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The process that holds a scratch directory of remote shards answers, at a socket in it, what is not written there: the
// name of the shard with its credentials, and what reading it has cost. Only this user and root can enter the directory.

// socketFile is the name of the socket.
const socketFile = "socket"

// Answer is what the process that holds a scratch directory tells others.
type Answer struct {
	Shard []byte `json:"shard,omitempty"` // name of the only shard, with credentials
	Stats string `json:"stats"`           // for the user
}

// talkTime is how long a question and its answer may take.
const talkTime = 5 * time.Second

// Listen answers other processes until the scratch directory is closed. It calls answer for each.
func (s *Scratch) Listen(answer func() Answer) error {
	name := s.path(socketFile)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	short, dir, err := s.short(socketFile)
	if err != nil {
		return err
	}
	defer dir.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return fmt.Errorf("%s: %w", name, bareSocket(err))
	}
	l.SetUnlinkOnClose(false) // the name is that of a descriptor
	if err := os.Chmod(name, 0o600); err != nil {
		return errors.Join(err, l.Close(), os.Remove(name))
	}
	a := &answerer{l: l, answer: answer, closing: make(chan struct{}), done: make(chan struct{})}
	go a.run()
	s.hangUp = func() {
		a.close()
		os.Remove(name)
	}
	return nil
}

// answerer answers at a socket until it is closed.
type answerer struct {
	l interface {
		Accept() (net.Conn, error)
		Close() error
	}
	answer        func() Answer
	closing, done chan struct{} // closed when close is called, and when run returns
}

// acceptPause is how long no connection is accepted after an error, such as of a process that has too many files open.
const acceptPause = 100 * time.Millisecond

func (a *answerer) run() {
	defer close(a.done)
	for {
		c, err := a.l.Accept()
		if err == nil {
			c.SetDeadline(time.Now().Add(talkTime))
			json.NewEncoder(c).Encode(a.answer()) // an error is that of the other process
			c.Close()
			continue
		}
		select {
		case <-time.After(acceptPause):
		case <-a.closing:
			return
		}
	}
}

// close waits for an answer in progress.
func (a *answerer) close() {
	close(a.closing)
	a.l.Close()
	<-a.done
}

// errSilent means that no process that holds a scratch directory answers.
var errSilent = errors.New("no server answers")

// Ask returns what the process that holds the directory answers.
func (s *Scratch) Ask() (a Answer, err error) {
	if info, err := os.Lstat(s.path(socketFile)); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return a, errSilent
	}
	short, dir, err := s.short(socketFile)
	if err != nil {
		return a, err
	}
	defer dir.Close()
	c, err := net.DialTimeout("unix", short, talkTime)
	if err != nil {
		return a, errSilent
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(talkTime))
	return a, json.NewDecoder(c).Decode(&a)
}

// short returns another path of a file in the directory, which is valid until dir is closed: that of a socket has at most
// 107 bytes.
func (s *Scratch) short(file string) (name string, dir *os.File, err error) {
	dir, err = os.OpenFile(s.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), file), dir, nil
}

// bareSocket strips the odd path from an error of package net.
func bareSocket(err error) error {
	if op := new(net.OpError); errors.As(err, &op) {
		return op.Err
	}
	return err
}
