package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/ui"
)

// A socket links a server's process to its parent, the process that started it. The parent sends the options, and the
// server sends one byte when the mount is ready. A background server then closes the link. A private one keeps it: it
// echoes what the parent sends, which shows that it is alive where a pulse does not, and ends when the parent closes the
// link.

// Variable is the environment variable that marks a server's process: if it is set, the program calls Accept.
const Variable = "SHARDFS_SERVER"

// File descriptors in the server's process.
const (
	linkFD  = 3 // its end of the socket
	pulseFD = 4 // the file of the pulse of a private server
)

// Command configures a server's process.
type Command struct {
	Args   []string // the arguments that ps shows after the program's name; the process takes its options from the link
	Env    []string // its environment
	Stderr *os.File // for messages until the mount is ready; later ones go to the log in the scratch directory
	KeepIn string   // the cache directory for bytes of remote shards, absolute; "" means that they are not kept
	UI     *ui.UI   // its level and format apply to the server's messages

	// SameGroup keeps the process in the process group of the caller until its mount is ready: autofs has all others wait
	// that come to the mountpoint of an automount.
	SameGroup bool
}

// Start starts a server in the background and returns when its mount is ready. The server ends with its mount, or by a
// signal. If the server exits with an error it has reported it, and Start returns a ui.ReportedError.
func Start(ctx context.Context, c Command, o Options) error {
	// The server must not inherit files that this process was started with.
	unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	o.Private = false
	p, err := c.start(ctx, o, nil)
	if err != nil {
		return err
	}
	return errors.Join(p.link.Close(), p.cmd.Process.Release())
}

// Process is the process of a private server.
type Process struct {
	cmd   *exec.Cmd
	link  *os.File      // the process echoes bytes written here while it is alive
	pulse pulse         // of a private server
	ended chan struct{} // closed when the process has ended
	err   error         // how it ended; valid after ended is closed
}

// StartPrivate starts a server whose mount is for the calling process, and returns when the mount is ready. The caller
// must call Stop.
func StartPrivate(ctx context.Context, c Command, o Options) (*Process, error) {
	o.Private = true
	beat, err := newPulse()
	if err != nil {
		return nil, err
	}
	p, err := c.start(ctx, o, &beat)
	if err != nil {
		beat.close()
		return nil, err
	}
	p.pulse, p.ended = beat, make(chan struct{})
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// start starts this program again as a server, with a pulse if that is not nil, and waits until the mount is ready.
func (c *Command) start(ctx context.Context, o Options, beat *pulse) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("a mount needs /proc: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	link, theirs := os.NewFile(uintptr(pair[0]), "link"), os.NewFile(uintptr(pair[1]), "link")
	cmd := exec.Command(self, c.Args...)
	cmd.Env = append(slices.Clone(c.Env), Variable+"=1")
	cmd.Stderr = c.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: !c.SameGroup}
	if o.Private {
		cmd.SysProcAttr.AmbientCaps = serverCaps()
		cmd.SysProcAttr.PidFD = &beat.pidfd
		cmd.ExtraFiles = append(cmd.ExtraFiles, beat.file)
	}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, errors.Join(err, link.Close())
	}
	ready := make(chan bool, 1)
	go func() {
		r := newRequest(o)
		r.KeepIn = anytext.Text(c.KeepIn)
		r.Quiet, r.Verbose, r.LogFormat = c.UI.Quiet, c.UI.Verbose, c.UI.LogFormat
		err := r.write(link)
		if err == nil {
			_, err = io.ReadFull(link, make([]byte, 1))
		}
		ready <- err == nil
	}()
	select {
	case ok := <-ready:
		if ok {
			return &Process{cmd: cmd, link: link}, nil
		}
		err = link.Close() // a server that waits for the request, or for its answer to be read, ends
		exit := childError(cmd.Wait())
		if reported := new(ui.ReportedError); errors.As(exit, &reported) {
			return nil, exit
		}
		ended := fmt.Errorf("the server of the mount has ended before it was ready: %v", cmd.ProcessState)
		return nil, errors.Join(ended, err)
	case <-ctx.Done():
		cmd.Process.Signal(unix.SIGINT) // the server says so, as if it were alone
		cause := context.Cause(ctx)
		if childError(cmd.Wait()) != nil && cmd.ProcessState.Exited() {
			cause = ui.Reported(cause)
		}
		<-ready // the read ends, because the process has closed its end of the socket
		return nil, errors.Join(cause, link.Close())
	}
}

// childError returns the error of a child process that runs this program. A child that exited with an error has
// reported it; one that was killed could not.
func childError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return ui.Reported(err)
	}
	return err
}

// Pid returns the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// ErrRefused means that the mount has failed to read the shard for a command, which may have gone on with what it had.
var ErrRefused = errors.New("the shard could not be read for a command")

// Err returns an error if the process has ended, or ErrRefused. If it returns nil, no request to the mount has failed so far
// for one of these reasons. Waiting for the exit status would be too late: the users of the mount notice the end of the
// process first. Err is not safe for concurrent use.
func (p *Process) Err() error {
	if p.isAlive() {
		if p.pulse.isGood() {
			return nil
		}
		if p.isAlive() { // it has not been killed just now
			return ErrRefused
		}
	}
	p.link.Close() // if it lives but cannot be asked, it ends now
	<-p.ended
	return fmt.Errorf("the server of the mount has ended: %v", p.cmd.ProcessState)
}

// isAlive reports whether the process will go on.
func (p *Process) isAlive() bool {
	alive, known := p.pulse.isAlive()
	return alive || !known && p.answers()
}

// answers reports whether the process echoes a byte.
func (p *Process) answers() bool {
	b := []byte{0}
	if _, err := p.link.Write(b); err != nil {
		return false
	}
	_, err := p.link.Read(b)
	return err == nil
}

// Stop ends the process, and returns when it has unmounted.
func (p *Process) Stop() error {
	err := p.link.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil // by Err
	}
	<-p.ended
	p.pulse.close()
	if p.err != nil {
		err = errors.Join(err, fmt.Errorf("the server of the mount has ended: %w", p.err))
	}
	return err
}

// Link is a server's link to its parent process. A nil Link, of a server that the user started, is valid: its methods
// do nothing.
type Link struct {
	Options Options // what to serve

	request *request
	conn    *os.File
	closed  chan struct{} // closed when the parent has closed its end
}

// Refused tells the parent of a private server that a request failed because the shard could not be read.
func (l *Link) Refused() {
	if l != nil && l.Options.Private {
		setPulse(unix.F_UNLCK) // it has no reason to fail
	}
}

// Accept takes over the link that this process was started with.
func Accept() (*Link, error) {
	unix.CloseOnExec(linkFD)
	l := &Link{conn: os.NewFile(linkFD, "link"), closed: make(chan struct{})}
	var err error
	if l.request, err = readRequest(l.conn); err != nil {
		return nil, fmt.Errorf("server options: %v", err)
	}
	l.Options = l.request.options()
	if l.Options.Private {
		unix.CloseOnExec(pulseFD)
		if err := setPulse(unix.F_WRLCK); err != nil {
			return nil, fmt.Errorf("pulse of the server: %w", err)
		}
		go func() {
			echo(l.conn)
			close(l.closed)
		}()
	}
	return l, nil
}

// echo sends back what it reads. It returns when the other end is closed, and also after a failed write, because the parent
// would wait for that echo forever.
func echo(conn *os.File) {
	b := make([]byte, 1)
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
}

// Configure sets the level and format of messages to those of the parent.
func (l *Link) Configure(u *ui.UI) {
	u.Quiet, u.Verbose, u.LogFormat = l.request.Quiet, l.request.Verbose, l.request.LogFormat
}

// KeepIn returns that of the command that has started the process.
func (l *Link) KeepIn() string { return string(l.request.KeepIn) }

// isBackground reports whether the server outlives the process that started it.
func (l *Link) isBackground() bool { return l != nil && !l.Options.Private }

// parentExited is closed when a private server must end because its parent has ended or closed the link. For other
// servers it is never closed.
func (l *Link) parentExited() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.closed
}

// ready tells the parent that the mount is ready, and releases the user's terminal: later messages go to the log.
func (l *Link) ready(log string) error {
	if l == nil {
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
	_, err = l.conn.Write([]byte{0})
	unix.Setsid() // fails if it has a session of its own already
	if !l.Options.Private {
		err = errors.Join(err, l.conn.Close())
	}
	return err
}
