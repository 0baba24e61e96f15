package runner

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// command is a command that was started: a process, and the process group that it leads.
type command struct {
	pid      int  // of the leader and of the group
	stdout   int  // the read end of the pipe or terminal that is standard output, or -1
	terminal bool // it is a terminal
}

// start starts the command in dir. The calling goroutine must stay locked to its thread until wait has returned.
func (r *run) start(dir string, env []string) (*command, error) {
	// A pipe, though a file gets along without poll: a new file for each job runs 0.8 as many jobs a second, and one file
	// for all jobs of a worker, as fast as pipes, could be written to during a later job by what left the process group.
	var p [2]int
	var err error
	if r.Terminal != nil {
		p[0], p[1], err = openTerminal(r.Terminal)
	} else {
		err = unix.Pipe2(p[:], unix.O_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	defer unix.Close(p[1])
	pid, err := syscall.ForkExec(r.path, r.Argv, &syscall.ProcAttr{
		Dir:   dir,
		Env:   env,
		Files: []uintptr{r.null.Fd(), uintptr(p[1]), r.Stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		unix.Close(p[0])
		// The error can be that of the chdir.
		if _, err := os.Stat(dir); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("start %s: %w", r.path, err)
	}
	return &command{pid: pid, stdout: p[0], terminal: r.Terminal != nil}, nil
}

// wait takes the command's output until the command has exited, and ends what is left of its process group. When ctx is
// done first, the group gets SIGTERM and, after grace, SIGKILL; then the error is the cause of ctx.
func (c *command) wait(ctx context.Context, grace time.Duration, out *Output, buf []byte) error {
	exited, terminated := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		unix.Kill(-c.pid, unix.SIGTERM)
		select {
		case <-exited:
		case <-time.After(grace):
			unix.Kill(-c.pid, unix.SIGKILL)
		}
	})

	pidfd, err := unix.PidfdOpen(c.pid, 0)
	if err != nil {
		pidfd = -1
	}
	capture := c.capture(pidfd, out, buf)
	unix.Close(pidfd)
	c.waitid(0)
	close(exited)
	var cause error
	if !stop() {
		<-terminated
		cause = context.Cause(ctx)
	}

	// The leader is dead but not reaped, so its process id, the group's, cannot belong to anybody else yet.
	unix.Kill(-c.pid, unix.SIGKILL)
	status := c.reap()
	if capture == nil {
		capture = c.drain(out, buf)
	}
	c.closeStdout()

	switch {
	case cause != nil:
		return cause
	case capture != nil:
		return fmt.Errorf("standard output: %w", capture)
	case status.Signaled():
		return &ExitError{Signal: status.Signal()}
	case status.ExitStatus() != 0:
		return &ExitError{Status: status.ExitStatus()}
	}
	return nil
}

// tick is how often, in milliseconds, a kernel that has no pidfds is asked whether the leader has exited.
const tick = 20

// capture reads standard output until the leader has exited or nobody can write any more. If the output cannot be kept,
// it closes the pipe, so that the command learns of it as of any reader that went away. The pidfd is the leader's; it is
// -1, which poll passes over, before Linux 5.3 and where a sandbox forbids it.
func (c *command) capture(pidfd int, out *Output, buf []byte) error {
	timeout := -1
	if pidfd < 0 {
		timeout = tick
	}
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}, {Fd: int32(c.stdout), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, timeout)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case fds[0].Revents != 0, pidfd < 0 && c.waitid(unix.WNOHANG):
			return nil
		case fds[1].Revents == 0:
			continue
		}
		n, err := c.read(out, buf)
		if err != nil || n == 0 {
			c.closeStdout()
			return err
		}
	}
}

// drain reads what the ended group has left in the pipe, but does not wait for what left the group and writes on. A
// terminal does not tell how much that is, but ends when nobody has it open any more.
func (c *command) drain(out *Output, buf []byte) error {
	if c.stdout < 0 {
		return nil
	}
	left, err := unix.IoctlGetInt(c.stdout, unix.TIOCINQ)
	for err == nil && (left > 0 || c.terminal && c.readable()) {
		piece := buf
		if !c.terminal {
			piece = buf[:min(left, len(buf))]
		}
		var n int
		if n, err = c.read(out, piece); n == 0 {
			break
		}
		left -= n
	}
	return err
}

// readable reports whether a terminal has more bytes, or its end, to be read.
func (c *command) readable() bool {
	const patience = 100 // milliseconds for bytes that are on their way while somebody still has the terminal open
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.stdout), Events: unix.POLLIN}}, patience)
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// read moves bytes from the pipe to out; 0 bytes are the end.
func (c *command) read(out *Output, buf []byte) (int, error) {
	for {
		n, err := unix.Read(c.stdout, buf)
		switch err {
		case nil:
			return n, out.append(buf[:n])
		case unix.EINTR:
		case unix.EIO: // what a terminal says at its end
			return 0, nil
		default:
			return 0, err
		}
	}
}

// closeStdout closes the pipe, if it is open.
func (c *command) closeStdout() {
	if c.stdout >= 0 {
		unix.Close(c.stdout)
		c.stdout = -1
	}
}

// waitid waits for the leader's exit, or with unix.WNOHANG only looks, and leaves it to be reaped.
func (c *command) waitid(flags int) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOWAIT|flags, nil)
		if err != unix.EINTR {
			return info.Signo != 0
		}
	}
}

// reap waits for every process of the group and returns the leader's status. One that was killed in the middle of a write
// finishes it before it dies; a subreaper is the parent of those whose own parent died, so it can wait for them too.
func (c *command) reap() (leader unix.WaitStatus) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-c.pid, &status, 0, nil)
		switch {
		case pid == c.pid:
			leader = status
		case err != nil && err != unix.EINTR:
			return leader // ECHILD: the group is empty
		}
	}
}
