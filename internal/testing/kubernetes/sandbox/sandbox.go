// Package sandbox runs a process as a container of a restricted pod runs: in namespaces of its own, with PID 1, a root that
// contains what the machine's /usr contains and nothing else, few devices, 64 MiB of /dev/shm, and without privileges. It has the
// network of the machine. Root can start it.
//
// Only tests import this package.
package sandbox

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// Spec is what a container is given.
type Spec struct {
	Argv     []string
	Env      []string // NAME=VALUE; PATH is where Argv[0] is looked for
	Hostname string
	Mounts   []Mount
	User     int  // number of the user and group
	Group    int  // another group, that of volumes; 0: none
	Writable bool // the root directory, otherwise volumes only
}

// Mount is a file or directory of the machine that the container sees at a path.
type Mount struct {
	From, To string
	Writable bool
}

// Container is a process that has been started.
type Container struct {
	PID   int
	Ended <-chan struct{} // closed when it and all its children are gone

	process *os.Process
	state   syscall.WaitStatus
}

// Start starts a container by the program enter, whose output is appended to a file. The container ends with this process.
func Start(enter string, spec Spec, output *os.File) (*Container, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(enter)
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	started, ended := make(chan error, 1), make(chan struct{})
	c := &Container{Ended: ended}
	go func() {
		runtime.LockOSThread() // the container ends with the thread that has started it
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // its error is in the state
			c.state, _ = cmd.ProcessState.Sys().(syscall.WaitStatus)
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	c.PID, c.process = cmd.Process.Pid, cmd.Process
	return c, nil
}

// Signal sends a signal to PID 1 of the container, if it runs.
func (c *Container) Signal(s syscall.Signal) { c.process.Signal(s) }

// Exit returns the exit status as container runtimes tell it: 128 and the number of a signal that has ended the process.
// It is known when Ended is closed.
func (c *Container) Exit() int {
	if c.state.Signaled() {
		return 128 + int(c.state.Signal())
	}
	return c.state.ExitStatus()
}
