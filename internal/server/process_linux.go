package server

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/ui"
)

// A server's process is linked by a socket to the process that started it. Down the socket come the options; a byte
// up it says that the mount is ready. A server in the background closes the link then. A private one keeps it: it
// sends back what it is sent, which shows that it lives, and ends when the other end is closed.

// Variable is the environment variable that marks a server's process: where it is set, the program calls Accept.
const Variable = "SHARDFS_SERVER"

const linkFD = 3 // of the socket, in the server's process

// Command says how to start a server's process.
type Command struct {
	Args   []string // the arguments that ps shows after the program's name; the process takes its options from the link
	Env    []string // its environment
	Stderr *os.File // for messages until the mount is ready; later ones go to the log in the scratch directory
	UI     *ui.UI   // which messages it writes, and in which format
}

// request is what a server's process is sent, as gob: names need not be UTF-8.
type request struct {
	Options   Options
	Quiet     bool
	Verbose   bool
	LogFormat string
}

// Start starts a server in the background and returns when its mount is ready. The server ends with its mount, or by
// a signal. If it fails it says why itself, and the error is a ui.ReportedError.
func Start(ctx context.Context, c Command, o Options) error {
	// The server must not inherit files that this process was started with.
	unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	o.Private = false
	p, err := c.start(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(p.link.Close(), p.cmd.Process.Release())
}

// Process is that of a private server.
type Process struct {
	cmd   *exec.Cmd
	link  *os.File      // what is sent there comes back as long as the process lives
	ended chan struct{} // closed when the process has ended
	err   error         // how, afterwards
}

// StartPrivate starts a server whose mount is for the calling process, and returns when that is ready. The caller
// calls Stop.
func StartPrivate(ctx context.Context, c Command, o Options) (*Process, error) {
	o.Private = true
	p, err := c.start(ctx, o)
	if err != nil {
		return nil, err
	}
	p.ended = make(chan struct{})
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// start starts this program again, and waits until its mount is ready.
func (c *Command) start(ctx context.Context, o Options) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, errors.Join(err, link.Close())
	}
	ready := make(chan bool, 1)
	go func() {
		err := gob.NewEncoder(link).Encode(request{o, c.UI.Quiet, c.UI.Verbose, c.UI.LogFormat})
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
		if err = childError(cmd.Wait()); err == nil {
			err = errors.New("the server ended before the mount was ready")
		}
	case <-ctx.Done():
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
		<-ready // at its end of the socket
		err = context.Cause(ctx)
	}
	return nil, errors.Join(err, link.Close())
}

// childError returns how a process of this program ended. One that exited with an error has said why; one that was
// killed could not.
func childError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return ui.Reported(err)
	}
	return err
}

// Pid returns the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Err returns an error if the process has ended. It asks the process: one that answers has let no request to its
// mount fail until then. There is no answer only when no thread of it is left, which this process learns later than
// the users of the mount. It is not safe for concurrent use.
func (p *Process) Err() error {
	b := []byte{0}
	if _, err := p.link.Write(b); err == nil {
		if _, err = p.link.Read(b); err == nil {
			return nil
		}
	}
	<-p.ended
	return fmt.Errorf("the server of the mount has ended: %v", p.cmd.ProcessState)
}

// Stop ends the process, and returns when it has unmounted.
func (p *Process) Stop() error {
	err := p.link.Close()
	<-p.ended
	return errors.Join(err, p.err)
}

// Link is a server's link to the process that started it. The methods of a nil Link, where the user did that, do
// nothing.
type Link struct {
	Options Options // what is to be served
	Exit    func()  // ends this process at once, with success: a private mount may be kept in use; set before Serve

	request request
	conn    *os.File
	closed  chan struct{} // closed when the other process has ended
}

// Accept takes over the link that this process was started with.
func Accept() (*Link, error) {
	unix.CloseOnExec(linkFD)
	l := &Link{conn: os.NewFile(linkFD, "link"), closed: make(chan struct{})}
	if err := gob.NewDecoder(l.conn).Decode(&l.request); err != nil {
		return nil, fmt.Errorf("the options of a server: %w", err)
	}
	l.Options = l.request.Options
	if l.Options.Private {
		go func() {
			echo(l.conn)
			close(l.closed)
		}()
	}
	return l, nil
}

// echo sends back what comes until the other end is closed, or cannot be written to: it would wait for the echo for
// good.
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

// Configure makes the messages of this process those of the process that started it.
func (l *Link) Configure(u *ui.UI) {
	u.Quiet, u.Verbose, u.LogFormat = l.request.Quiet, l.request.Verbose, l.request.LogFormat
}

// isBackground reports whether the server outlives the process that started it.
func (l *Link) isBackground() bool { return l != nil && !l.Options.Private }

// parentExited is closed when the server is to end because the process that started it has. A server in the
// background, or without a link, does not.
func (l *Link) parentExited() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.closed
}

// ready says that the mount is ready, and lets go of the user's terminal and directory: messages go to a log from now
// on.
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
	if err := os.Chdir("/"); err != nil {
		return err
	}
	_, err = l.conn.Write([]byte{0})
	if !l.Options.Private {
		err = errors.Join(err, l.conn.Close())
	}
	return err
}
