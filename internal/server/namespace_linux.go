package server

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlayfs"
)

// A run mounts in its own mount namespace, so that no other process sees the mount and nothing stays mounted, however
// the run ends: this program starts itself again there, and the first process stays to forward signals and the exit
// status. Users other than root may mount in their own user namespace, in which they keep their user ID.

// NamespaceVariable is the environment variable that marks a process in its own namespace: if it is set, the program
// calls EnterNamespace.
const NamespaceVariable = "SHARDFS_NAMESPACE"

// File descriptors that a process in its own namespace is started with.
const (
	usableFD = 3 // written to when the process may mount
	signalFD = 4 // one byte for each signal; EOF when the first process has ended
)

// ErrNoNamespace means that the kernel does not allow this process its own mount namespace.
var ErrNoNamespace = errors.New("no private mount namespace")

// Namespace starts this program again in its own mount namespace.
type Namespace struct {
	Args  []string    // arguments, without the program's name
	Env   []string    // environment
	Files [3]*os.File // standard input, output and error

	// Signal returns the signal that ended a context, given the context's cause; ok is false if it was no signal.
	Signal func(cause error) (s syscall.Signal, ok bool)
	Hurry  <-chan struct{} // closed by a second signal, which is passed on too; nil: never
}

// Run runs the program in the namespace and returns its exit error. ErrNoNamespace means that it did not run.
func (n *Namespace) Run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return ErrNoNamespace // no /proc
	}
	usableIn, usableOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer usableIn.Close()
	defer usableOut.Close()
	signalIn, signalOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer signalIn.Close()
	defer signalOut.Close()
	cmd := exec.Command(self, n.Args...)
	cmd.Env = append(slices.Clone(n.Env), NamespaceVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = n.Files[0], n.Files[1], n.Files[2]
	cmd.ExtraFiles = []*os.File{usableOut, signalIn}
	cmd.SysProcAttr = namespaceAttributes()
	if err := cmd.Start(); err != nil {
		return ErrNoNamespace
	}
	usableOut.Close()
	if _, err := io.ReadFull(usableIn, make([]byte, 1)); err != nil {
		cmd.Wait()
		return ErrNoNamespace
	}
	ended := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() { n.pass(ctx, signalOut, ended) })
	err = cmd.Wait()
	close(ended)
	passing.Wait()
	return childError(err)
}

// pass writes the signal that ends ctx, and another one after it, as bytes to out, until ended is closed.
func (n *Namespace) pass(ctx context.Context, out io.Writer, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
		return
	}
	s, ok := n.Signal(context.Cause(ctx))
	if !ok {
		return
	}
	out.Write([]byte{byte(s)})
	select {
	case <-n.Hurry:
		out.Write([]byte{byte(s)})
	case <-ended:
	}
}

// namespaceAttributes returns the attributes that start a process in the namespaces that this user may create.
func namespaceAttributes() *syscall.SysProcAttr {
	if overlayfs.MayMount() {
		return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
		AmbientCaps: mountCaps(),
	}
}

// mountCaps returns the capabilities, in the namespace only, to mount, and for overlayfs to enter its work directory, whose
// mode is 0.
func mountCaps() []uintptr { return []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_DAC_OVERRIDE} }

// serverCaps returns the capabilities that a private server of this process must be given: those that an ordinary user
// has in their own namespace, and that only servers inherit.
func serverCaps() []uintptr {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if os.Geteuid() == 0 || unix.Capget(&header, &data[0]) != nil {
		return nil
	}
	for _, c := range mountCaps() {
		if data[c/32].Permitted&(1<<(c%32)) == 0 {
			return nil
		}
	}
	return mountCaps()
}

// EnterNamespace prepares a process that was started in its own namespace. After an error the process must exit; the
// first process then continues without a namespace.
func EnterNamespace() error {
	for _, fd := range []int{usableFD, signalFD} {
		unix.CloseOnExec(fd)
	}
	// Mounts made outside must still appear here, but not the reverse.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	if err := dropPrivileges(); err != nil {
		return err
	}
	usable := os.NewFile(usableFD, "usable")
	_, err := usable.Write([]byte{0})
	return errors.Join(err, usable.Close())
}

// NotifyEnds sends to c the signals that are to end this process: those of a terminal, of which SIGQUIT is for Ctrl-\, and
// SIGTERM. Two may be ignored, as by nohup, or by a shell for commands in the background.
func NotifyEnds(c chan<- os.Signal) {
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
}

// PassedSignals returns the signals that the first process forwards. The first signal is delivered a second time when
// another one arrives or the first process ends.
func PassedSignals() <-chan os.Signal {
	// The signals are handled, not ignored: commands would inherit ignored signals.
	NotifyEnds(make(chan os.Signal, 1))
	signals := make(chan os.Signal, 2)
	go func() {
		in := os.NewFile(signalFD, "signals")
		var b [1]byte
		first := syscall.SIGTERM
		if n, _ := in.Read(b[:]); n > 0 {
			first = syscall.Signal(b[0])
			signals <- first
			in.Read(b[:])
		}
		signals <- first
	}()
	return signals
}

// dropPrivileges keeps commands from inheriting the capabilities that an ordinary user has in their own namespace.
func dropPrivileges() error {
	if os.Geteuid() == 0 {
		return nil
	}
	_, _, errno := syscall.AllThreadsSyscall6(
		unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	if errno == unix.ENOTSUP { // built with cgo, as for the race detector; the capabilities count only in the namespace
		return nil
	}
	if errno != 0 {
		return errno
	}
	return nil
}
