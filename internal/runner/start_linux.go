package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// command is a started command: a process, and the process group that it leads.
type command struct {
	pid      int       // process ID of the leader and ID of the group
	pidfd    int       // of the leader; -1 before Linux 5.4 and where a sandbox forbids it
	streams  []*stream // standard output first
	children *children
	hurry    <-chan struct{} // of the Options
}

// stream is standard output or error of a command.
type stream struct {
	fd       int // end to read from, or -1
	terminal bool
	keep     func([]byte) error // receives the bytes, in order
}

// start starts the command at a place, or in the directory of this process if its Dir is empty. The calling goroutine
// must stay locked to its thread until wait has returned.
func (r *run) start(place Place, argv, env []string, stdin *os.File) (*command, error) {
	at, err := place.enter()
	if err != nil {
		return nil, err
	}
	defer at.close()
	// Output goes to a pipe, although a file would need no poll: with a new file for each job, throughput is 0.8 times
	// that of pipes, and to one file for all jobs of a slot, as fast as pipes, a process that has left its group could
	// write during a later job.
	stdout, out, err := openStream(r.Terminal)
	if err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	defer unix.Close(out)
	c := &command{pidfd: -1, streams: []*stream{stdout}, children: &r.children, hurry: r.Hurry}
	stderr := int(r.Stderr.Fd())
	if r.Log || r.Tail > 0 {
		s, end, err := openStream(nil)
		if err != nil {
			c.closeStreams()
			return nil, fmt.Errorf("standard error: %w", err)
		}
		defer unix.Close(end)
		c.streams, stderr = append(c.streams, s), end
	}
	c.pid, err = r.children.start(func() (int, error) {
		return syscall.ForkExec(r.path, argv, &syscall.ProcAttr{
			Dir:   at.dir,
			Env:   env,
			Files: []uintptr{stdin.Fd(), uintptr(out), uintptr(stderr)},
			// In a session of its own the command has no /dev/tty. In that of this process, if that has a terminal, it would
			// be in the background: reading from the terminal would stop it without a word.
			Sys: &syscall.SysProcAttr{
				Setsid: r.session, Setpgid: !r.session, Pdeathsig: syscall.SIGKILL, PidFD: &c.pidfd,
			},
		})
	})
	if err != nil {
		c.closeStreams()
		// The error may come from the chdir.
		if _, err := os.Stat(at.dir); at.dir != "" && err != nil {
			return nil, place.goneError(err)
		}
		return nil, fmt.Errorf("start %s: %w", r.path, err)
	}
	return c, nil
}

// openStream makes a stream, a pipe or a terminal with the size of like, and the command's end of it.
func openStream(like *os.File) (s *stream, end int, err error) {
	var p [2]int
	if like != nil {
		p[0], p[1], err = openTerminal(like)
	} else {
		err = unix.Pipe2(p[:], unix.O_CLOEXEC)
	}
	return &stream{fd: p[0], terminal: like != nil}, p[1], err
}

// keep sets where the output of a command goes: standard output to stdout, standard error to Options.Stderr, and both
// into the result as the options require.
func (s *slot) keep(c *command, stdout func([]byte) error, res *Result) {
	log := func(p []byte) error {
		if res.Log == nil {
			return nil
		}
		return res.Log.append(p)
	}
	c.streams[0].keep = func(p []byte) error { return errors.Join(stdout(p), log(p)) }
	if len(c.streams) > 1 {
		c.streams[1].keep = func(p []byte) error {
			s.Stderr.Write(p) // an error here does not fail the command
			res.Tail = append(res.Tail, p...)
			if more := len(res.Tail) - s.Tail; more > 0 {
				res.Tail = append(res.Tail[:0], res.Tail[more:]...)
			}
			return log(p)
		}
	}
}

// wait captures the output of the command until it has exited, and kills the rest of its process group. If ctx is done
// first, the group gets SIGTERM and, after grace, SIGKILL; the error is then the cause of ctx.
func (c *command) wait(ctx context.Context, grace time.Duration, buf []byte) error {
	release := c.killOnDone(ctx, grace)
	captured := c.capture(buf, never)
	c.waitid(0)
	cause := release()
	status, err := c.end(buf)
	switch {
	case cause != nil:
		return cause
	case captured != nil:
		return captured
	case err != nil:
		return err
	}
	return exitError(status)
}

// killOnDone ends the group when ctx is done: by SIGTERM and, after grace, by SIGKILL. The caller must call release
// when the command has ended or is kept for another job; release returns the cause of ctx if ctx was done first.
func (c *command) killOnDone(ctx context.Context, grace time.Duration) (release func() error) {
	released, terminated := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		unix.Kill(-c.pid, unix.SIGTERM)
		unix.Kill(-c.pid, unix.SIGCONT) // a stopped process sees no signal
		select {
		case <-released:
			return
		case <-c.hurry:
		case <-time.After(grace):
		}
		unix.Kill(-c.pid, unix.SIGKILL)
	})
	return func() error {
		close(released)
		if stop() {
			return nil
		}
		<-terminated
		return context.Cause(ctx)
	}
}

// exitError returns the error for an exit status; nil for 0.
func exitError(status unix.WaitStatus) error {
	switch {
	case status.Signaled():
		return &ExitError{Signal: status.Signal()}
	case status.ExitStatus() != 0:
		return &ExitError{Status: status.ExitStatus()}
	}
	return nil
}

func never() bool { return false }

// end kills the rest of the group of a command whose leader has exited, and reads the rest of the streams.
func (c *command) end(buf []byte) (unix.WaitStatus, error) {
	// The leader is dead but not reaped, so its process ID, which is also the group's, cannot have been reused.
	unix.Kill(-c.pid, unix.SIGKILL)
	status := c.reap()
	unix.Close(c.pidfd)
	var err error
	for _, s := range c.streams {
		if drained := s.drain(buf); err == nil {
			err = drained
		}
	}
	c.closeStreams()
	return status, err
}

// tick is how often, in milliseconds, a leader without a pidfd is checked for its exit.
const tick = 20

// capture reads the output of the command until the leader has exited, all streams have ended, or enough returns true.
// If the bytes cannot be kept, it closes the stream, so that the command gets EPIPE.
func (c *command) capture(buf []byte, enough func() bool) (failed error) {
	timeout := -1
	if c.pidfd < 0 { // poll ignores it
		timeout = tick
	}
	fds := make([]unix.PollFd, 1, 3)
	for {
		fds = append(fds[:0], unix.PollFd{Fd: int32(c.pidfd), Events: unix.POLLIN})
		open := false
		for _, s := range c.streams {
			fds = append(fds, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
			open = open || s.fd >= 0
		}
		if !open && c.pidfd < 0 {
			return failed // waitid waits for the leader
		}
		_, err := unix.Poll(fds, timeout)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		}
		if fds[0].Revents != 0 || c.pidfd < 0 && c.waitid(unix.WNOHANG) {
			return failed
		}
		for i, s := range c.streams {
			if fds[i+1].Revents == 0 {
				continue
			}
			n, err := s.read(buf)
			if err != nil || n == 0 {
				s.close()
			}
			if failed == nil {
				failed = err
			}
		}
		if enough() {
			return failed
		}
	}
}

// drain reads the bytes that the ended group has left in a stream, but does not wait for a process that has left the
// group and still writes. For a terminal, whose number of remaining bytes is unknown, it ends when no process has it
// open.
func (s *stream) drain(buf []byte) error {
	if s.fd < 0 {
		return nil
	}
	const patience = 100 // milliseconds to wait for bytes in transit while a process has the terminal open
	left, err := unix.IoctlGetInt(s.fd, unix.TIOCINQ)
	for err == nil && (left > 0 || s.terminal && s.readable(patience)) {
		piece := buf
		if !s.terminal {
			piece = buf[:min(left, len(buf))]
		}
		var n int
		if n, err = s.read(piece); n == 0 {
			break
		}
		left -= n
	}
	return err
}

// readable waits up to patience milliseconds and reports whether a stream has bytes, or its end, to read.
func (s *stream) readable(patience int) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, patience)
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// read reads some bytes of a stream; 0 bytes mean its end.
func (s *stream) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, buf)
		switch err {
		case nil:
			if err := s.keep(buf[:n]); err != nil {
				return n, fmt.Errorf("output of the command: %w", err)
			}
			return n, nil
		case unix.EINTR:
		case unix.EIO: // the end of a terminal
			return 0, nil
		default:
			return 0, err
		}
	}
}

// close closes a stream, if it is open.
func (s *stream) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

func (c *command) closeStreams() {
	for _, s := range c.streams {
		s.close()
	}
}

// waitid waits for the leader's exit, or with unix.WNOHANG only checks for it, and leaves it to be reaped.
func (c *command) waitid(flags int) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOWAIT|flags, nil)
		if err != unix.EINTR {
			return info.Signo != 0
		}
	}
}

// reap waits for every process of the group and returns the leader's status. A process that is killed during a write
// finishes the write before it dies. As a subreaper this process is also the parent of processes whose own parent has
// died, so it can wait for them, too.
func (c *command) reap() (leader unix.WaitStatus) {
	defer c.children.gone(c.pid)
	who, reaped := -c.pid, false
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(who, &status, 0, nil)
		switch {
		case pid == c.pid:
			leader, reaped = status, true
		case err == nil || err == unix.EINTR:
		case reaped || who == c.pid:
			return leader // ECHILD: the group is empty
		default:
			who = c.pid // it was killed before it became the leader of a group
		}
	}
}
