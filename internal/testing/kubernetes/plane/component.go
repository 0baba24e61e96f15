package plane

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/servers"
)

// component is a program of a control plane, which may be killed and started again.
type component struct {
	path  string
	args  []string
	log   string // what it has said, of all times that it ran
	cmd   *exec.Cmd
	ended chan struct{}
}

// newComponent finds a program, or skips the test.
func newComponent(t testing.TB, dir, program string, args ...string) *component {
	t.Helper()
	c := &component{path: servers.Find(t, program), args: args, log: filepath.Join(dir, program+".log")}
	t.Cleanup(func() {
		c.kill()
		if text, err := os.ReadFile(c.log); err == nil && t.Failed() {
			t.Logf("%s: %s", program, text[max(0, len(text)-4096):])
		}
	})
	return c
}

// start starts the program. It ends with this process.
func (c *component) start() error {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(c.log), log, log
	cmd.Env = append(cmd.Environ(), "HOME="+cmd.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the program ends with the thread that has started it
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	c.cmd, c.ended = cmd, ended
	return nil
}

// kill ends the program by SIGKILL, if it runs, and waits for its end.
func (c *component) kill() {
	if c.cmd == nil {
		return
	}
	syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
}

// alive returns an error if the program has ended.
func (c *component) alive() error {
	select {
	case <-c.ended:
		text, _ := os.ReadFile(c.log)
		text = text[max(0, len(text)-2048):]
		return fmt.Errorf("%s has ended: %v: %s", filepath.Base(c.path), c.cmd.ProcessState, text)
	default:
		return nil
	}
}
