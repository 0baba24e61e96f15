// Package pipe reads from and writes to shell commands, and makes standard input and output end with a context.
//
// The name pipe:COMMAND stands for what a shell command writes or, as an output, for what it reads. A [Command] is
// trusted only once it has ended with status 0: its reader sees io.EOF only then, and it sees the end of its own input
// only after Finish, when the input is complete. [NewReader] and [NewWriter] wrap files that cannot be interrupted
// otherwise.
package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// prefix is how the name of a pipe begins.
const prefix = "pipe:"

// shell runs the commands.
const shell = "/bin/sh"

// errFailed is wrapped by the error of a Command that ended with another status than 0, or too early.
var errFailed = errors.New("the command of the pipe failed")

// Is reports whether a name is that of a pipe.
func Is(name string) bool { return strings.HasPrefix(name, prefix) }

// Shown returns a name for messages. That of a pipe ends with the command's first word, because its arguments may hold
// secrets; other names are returned as they are.
func Shown(name string) string {
	if !Is(name) {
		return name
	}
	if words := strings.Fields(name[len(prefix):]); len(words) > 0 {
		return prefix + words[0]
	}
	return prefix
}

// Command is a running shell command, connected to this process by a pipe. It leads a process group of its own, which
// gets SIGTERM when its context is done. One of Finish and Abort must be called.
type Command struct {
	cmd   *exec.Cmd
	end   *os.File      // this process's end of the pipe
	ended chan struct{} // closed when the command has ended
	err   error         // how it ended; valid after ended is closed
}

// OpenReader starts the command of a pipe's name, to be read from. Its standard error is stderr.
func OpenReader(ctx context.Context, name string, stderr *os.File) (*Command, error) {
	return open(ctx, name, false, stderr)
}

// OpenWriter starts the command of a pipe's name, to be written to. Its standard output and standard error are stderr.
func OpenWriter(ctx context.Context, name string, stderr *os.File) (*Command, error) {
	return open(ctx, name, true, stderr)
}

func open(ctx context.Context, name string, write bool, stderr *os.File) (*Command, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c := &Command{ended: make(chan struct{}), cmd: exec.CommandContext(ctx, shell, "-c", name[len(prefix):])}
	c.cmd.Stderr = stderr
	theirs := out
	if c.end = in; write {
		c.end, theirs = out, in
		c.cmd.Stdin, c.cmd.Stdout = theirs, stderr
	} else {
		c.cmd.Stdout = theirs
	}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	c.cmd.Cancel = func() error { return unix.Kill(-c.cmd.Process.Pid, unix.SIGTERM) }
	c.cmd.WaitDelay = 2 * time.Second
	started := make(chan error)
	go c.watch(started)
	err = <-started
	theirs.Close()
	if err != nil {
		return nil, errors.Join(err, c.end.Close())
	}
	return c, nil
}

// watch starts the command and waits for its end in one thread, because Pdeathsig kills the command when the thread
// that started it ends.
func (c *Command) watch(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	defer close(c.ended)
	if err := c.cmd.Wait(); err != nil {
		c.err = fmt.Errorf("%w: %v", errFailed, err)
	}
}

// Pid returns the number of the process that runs the command.
func (c *Command) Pid() int { return c.cmd.Process.Pid }

// Owns reports whether a process is the command's. A nil Command owns none.
func (c *Command) Owns(pid int) bool { return c != nil && c.cmd.Process.Pid == pid }

// Read reads what the command writes. It returns io.EOF only if the command ended with status 0.
func (c *Command) Read(b []byte) (int, error) {
	n, err := c.end.Read(b)
	if n == 0 && err == io.EOF {
		if failed := c.wait(); failed != nil {
			err = failed
		}
	}
	return n, err
}

// Write writes what the command reads. That the command stopped reading is an error of its own, and not EPIPE, which
// would look as if the reader of standard output had gone.
func (c *Command) Write(b []byte) (int, error) {
	n, err := c.end.Write(b)
	if errors.Is(err, unix.EPIPE) {
		if err = c.wait(); err == nil {
			err = fmt.Errorf("%w: it did not read to the end", errFailed)
		}
	}
	return n, err
}

// Finish closes the command's input and waits for its end.
func (c *Command) Finish() error { return errors.Join(c.end.Close(), c.wait()) }

// Abort kills the command before it can take what it has read so far for the whole. After its end, Abort does nothing.
func (c *Command) Abort() {
	select {
	case <-c.ended:
	default:
		unix.Kill(-c.cmd.Process.Pid, unix.SIGKILL)
		<-c.ended
	}
	c.end.Close()
}

// wait returns how the command ended.
func (c *Command) wait() error {
	<-c.ended
	return c.err
}
