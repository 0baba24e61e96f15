// Package pipe reads from and writes to shell commands, and makes reads of standard input and writes to standard output
// end with a context.
//
// The name pipe:COMMAND stands for the output of a shell command or, as the name of an output, for its input. Data from
// a [Command] count as complete only if it ends with status 0: only then does Read return io.EOF. The command sees the
// end of its own input only after Finish, when the input is complete. [NewReader] and [NewWriter] wrap files whose
// reads and writes could not be interrupted otherwise.
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

// prefix begins the name of a pipe.
const prefix = "pipe:"

// shell runs the commands.
const shell = "/bin/sh"

// errFailed is wrapped by the error of a Command that ended with a status other than 0, or too early.
var errFailed = errors.New("the command of the pipe failed")

// Is reports whether a name is the name of a pipe.
func Is(name string) bool { return strings.HasPrefix(name, prefix) }

// Shown returns a name for messages. For a pipe it ends with the command's first word, because the arguments may
// contain secrets; other names are unchanged.
func Shown(name string) string {
	if !Is(name) {
		return name
	}
	if words := strings.Fields(name[len(prefix):]); len(words) > 0 {
		return prefix + words[0]
	}
	return prefix
}

// Command is a running shell command, connected to this process by a pipe. It leads its own session, without a
// terminal, and process group, which gets SIGTERM when the context is done. The caller must call Finish or Abort.
type Command struct {
	cmd   *exec.Cmd
	end   *os.File      // this process's end of the pipe
	ended chan struct{} // closed when the command has ended
	err   error         // how it ended; valid after ended is closed
}

// OpenReader starts the command in the name of a pipe, to read its output. Its standard error is stderr.
func OpenReader(ctx context.Context, name string, stderr *os.File) (*Command, error) {
	return open(ctx, name, false, stderr)
}

// OpenWriter starts the command in the name of a pipe, to write its input. Its standard output and standard error are
// stderr.
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
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	c.cmd.Cancel = func() error {
		defer unix.Kill(-c.cmd.Process.Pid, unix.SIGCONT) // a stopped process sees no signal
		return unix.Kill(-c.cmd.Process.Pid, unix.SIGTERM)
	}
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

// Pid returns the process ID of the command.
func (c *Command) Pid() int { return c.cmd.Process.Pid }

// Owns reports whether pid is the command's process. A nil Command owns none.
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

// Write writes to the command's input. If the command has stopped reading, the error is not EPIPE, because EPIPE would
// look as if the reader of standard output had gone.
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

// Abort kills the command before it can mistake what it has read so far for complete input. After its end, Abort does
// nothing.
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
