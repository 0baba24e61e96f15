package main

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

	"github.com/shardfs/shardfs/internal/ui"
)

// pipe:COMMAND names what a shell command writes, or where it puts what it reads. Nothing that came out of it is believed
// before it has ended with status 0, and it sees the end of its input only if that is whole.

const pipePrefix = "pipe:"

// errPipe says that the command of a pipe has failed.
var errPipe = errors.New("the command of the pipe failed")

// errPipeAllowed refuses a pipe that nobody has allowed: what starts a command should not hide in a list of shards.
func errPipeAllowed(name string) error {
	return ui.Usagef("%s: only with --allow-pipe", pipeName(name))
}

func isPipe(name string) bool { return strings.HasPrefix(name, pipePrefix) }

// pipeName returns a pipe's name for messages: its command, whose arguments may be nobody's business.
func pipeName(name string) string {
	if words := strings.Fields(name[len(pipePrefix):]); len(words) > 0 {
		return pipePrefix + words[0]
	}
	return pipePrefix
}

// shownName returns the name of a shard or an output for messages.
func shownName(name string) string {
	if isPipe(name) {
		return pipeName(name)
	}
	return name
}

// pipe is a command that one end of is ours. It is a process group of its own, which a context ends.
type pipe struct {
	name  string
	cmd   *exec.Cmd
	end   *os.File      // ours
	ended chan struct{} // closed when it has ended
	err   error         // how, afterwards
}

// openPipe starts the command of a name, to be read from or written to.
func openPipe(ctx context.Context, name string, write bool) (*pipe, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &pipe{name: pipeName(name), ended: make(chan struct{}), cmd: exec.CommandContext(ctx, defaultShell, "-c", name[len(pipePrefix):])}
	p.cmd.Stderr = os.Stderr
	theirs := out
	if p.end = in; write {
		p.end, theirs = out, in
		p.cmd.Stdin, p.cmd.Stdout = theirs, os.Stderr
	} else {
		p.cmd.Stdout = theirs
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	p.cmd.Cancel = func() error { return unix.Kill(-p.cmd.Process.Pid, unix.SIGTERM) }
	p.cmd.WaitDelay = 2 * time.Second
	started := make(chan error)
	go p.watch(started)
	err = <-started
	theirs.Close()
	if err != nil {
		return nil, errors.Join(err, p.end.Close())
	}
	return p, nil
}

// watch starts the command and waits for its end, in one thread: if that ended earlier, the command would be killed, as it is
// to be when this process is killed.
func (p *pipe) watch(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	defer close(p.ended)
	if err := p.cmd.Wait(); err != nil {
		p.err = fmt.Errorf("%w: %v", errPipe, err)
	}
}

// is reports whether the command is that process.
func (p *pipe) is(pid int) bool { return p != nil && p.cmd.Process.Pid == pid }

// Read reads what the command writes. Its end is that of a command that ended well.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.end.Read(b)
	if n == 0 && err == io.EOF {
		if failed := p.wait(); failed != nil {
			err = failed
		}
	}
	return n, err
}

// Write writes what the command reads.
func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.end.Write(b)
	if errors.Is(err, unix.EPIPE) { // it is not our reader that has seen enough
		if err = p.wait(); err == nil {
			err = fmt.Errorf("%w: it did not read to the end", errPipe)
		}
	}
	return n, err
}

// finish tells a command that it has been given everything, and waits for its end.
func (p *pipe) finish() error { return errors.Join(p.end.Close(), p.wait()) }

// abandon ends a command, before it can take what it has read for everything. After its end that does nothing.
func (p *pipe) abandon() {
	select {
	case <-p.ended:
	default:
		unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
		<-p.ended
	}
	p.end.Close()
}

// wait returns how the command ended.
func (p *pipe) wait() error {
	<-p.ended
	return p.err
}
