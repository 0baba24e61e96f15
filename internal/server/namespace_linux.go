package server

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlayfs"
)

// A run mounts in a mount namespace of its own, so that no other process sees the mount and nothing stays mounted,
// however the run ends: this program starts itself again there, and the first process stays to pass on signals and
// the exit status. Users other than root have the right to mount in a user namespace of their own, in which they keep
// their user ID.

// NamespaceVariable is the environment variable that marks a process in a namespace of its own: where it is set, the
// program calls EnterNamespace.
const NamespaceVariable = "SHARDFS_NAMESPACE"

// Descriptors of a process in a namespace.
const (
	usableFD = 3 // written to when the process may mount
	signalFD = 4 // a byte for each signal; at its end when the first process is
)

// ErrNoNamespace says that the kernel does not allow a namespace of our own.
var ErrNoNamespace = errors.New("no mount namespace of our own")

// Namespace says how to start this program again in a mount namespace of its own.
type Namespace struct {
	Args  []string    // arguments, without the program's name
	Env   []string    // environment
	Files [3]*os.File // standard input, output and error

	// Signal returns the signal that ended a context, given the context's cause; ok is false if none did.
	Signal func(cause error) (s syscall.Signal, ok bool)
}

// Run runs the program in the namespace and returns how it ended. The error is ErrNoNamespace if it was not run.
func (n *Namespace) Run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
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
	go func() {
		select {
		case <-ctx.Done():
			if s, ok := n.Signal(context.Cause(ctx)); ok {
				signalOut.Write([]byte{byte(s)})
			}
		case <-ended:
		}
	}()
	err = cmd.Wait()
	close(ended)
	return childError(err)
}

// namespaceAttributes returns in what namespaces a process is started.
func namespaceAttributes() *syscall.SysProcAttr {
	if overlayfs.MayMount() {
		return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
		// In the namespace only: to mount, and for overlayfs to enter its work directory, which it closes to all.
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_DAC_OVERRIDE},
	}
}

// EnterNamespace readies a process that was started in a namespace of its own. After an error it must exit; the first
// process then continues without a namespace.
func EnterNamespace() error {
	for _, fd := range []int{usableFD, signalFD} {
		unix.CloseOnExec(fd)
	}
	// What others mount must still be seen here, but not the reverse.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	usable := os.NewFile(usableFD, "usable")
	_, err := usable.Write([]byte{0})
	return errors.Join(err, usable.Close())
}

// PassedSignals returns the signals that the first process passes on. The first signal comes twice if there is
// another, and also when the first process ends.
func PassedSignals() <-chan os.Signal {
	// Handled, not ignored: commands would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
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

// DropPrivileges gives up the rights that an ordinary user has in a namespace of their own, which commands would
// inherit.
func DropPrivileges() error {
	if os.Geteuid() == 0 {
		return nil
	}
	_, _, errno := syscall.AllThreadsSyscall6(
		unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	if errno == unix.ENOTSUP { // built with cgo, as for the race detector; the rights hold in the namespace only
		return nil
	}
	if errno != 0 {
		return errno
	}
	return nil
}
