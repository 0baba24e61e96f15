package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/ui"
)

// A run mounts in a namespace of its own, so that nobody else sees the mount and nothing stays mounted, however the run
// ends: this program starts itself again there, and the first process stays to pass on signals and the exit status. Users
// other than root have the right to mount in a user namespace of their own, in which they are who they are.

// namespaceVariable tells a process that it was started in a namespace of its own.
const namespaceVariable = "SHARDFS_NAMESPACE"

// Descriptors of a process in a namespace.
const (
	usableFD = 3 // written to when it may mount there
	signalFD = 4 // a byte for each signal; at its end when the first process is
)

// errNoNamespace says that the kernel does not let us have a namespace of our own.
var errNoNamespace = errors.New("no mount namespace of our own")

// inNamespace runs this command line again in a namespace of its own.
func inNamespace(ctx context.Context) error {
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
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), namespaceVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{usableOut, signalIn}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if !overlayfs.MayMount() {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		// Of the namespace only: to mount, and for overlayfs to come into its work directory, which it closes to all.
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_DAC_OVERRIDE}
	}
	if err := cmd.Start(); err != nil {
		return errNoNamespace
	}
	usableOut.Close()
	if _, err := io.ReadFull(usableIn, make([]byte, 1)); err != nil {
		cmd.Wait()
		return errNoNamespace
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			var s interrupted
			if errors.As(context.Cause(ctx), &s) {
				signalOut.Write([]byte{byte(s.signal)})
			}
		case <-ended:
		}
	}()
	err = cmd.Wait()
	close(ended)
	return saidBy(err)
}

// saidBy returns how a process of ours ended. One that has failed has said why, one that was killed could not.
func saidBy(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return ui.Reported(err)
	}
	return err
}

// enterNamespace readies a process that was started in a namespace of its own. It returns whether this is one.
func enterNamespace() bool {
	if os.Getenv(namespaceVariable) == "" {
		return false
	}
	os.Unsetenv(namespaceVariable)
	for _, fd := range []int{usableFD, signalFD} {
		unix.CloseOnExec(fd)
	}
	// What others mount shall still be seen here, but not the reverse.
	if unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "") != nil {
		os.Exit(exitPermission) // the first process goes on without a namespace
	}
	usable := os.NewFile(usableFD, "usable")
	usable.Write([]byte("."))
	usable.Close()
	return true
}

// passedSignals returns the signals that the first process passes on. One that it gets twice, or its end, is its end here.
func passedSignals() <-chan os.Signal {
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

// dropPrivileges gives up the rights that an ordinary user has in his namespace, which commands would inherit.
func dropPrivileges() error {
	if os.Geteuid() == 0 {
		return nil
	}
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	if errno == unix.ENOTSUP { // built with cgo, as for the race detector; the right is one in a namespace of our own only
		return nil
	}
	if errno != 0 {
		return errno
	}
	return nil
}
