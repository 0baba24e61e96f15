package fusefs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// waiting is a kind of mount that answers lookups of names beginning with "wait" only when they are interrupted.
const waiting = "waiting"

type waiter struct {
	*base
	log func(error)
}

func (w waiter) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if !strings.HasPrefix(name, "wait") {
		return w.base.Lookup(cancel, in, name, out)
	}
	w.log(fmt.Errorf("%s waits", name))
	<-cancel
	w.log(fmt.Errorf("%s is interrupted", name))
	return fuse.EINTR
}

// waiters is the number of requests that wait at the same time in these tests.
const waiters = 20

// lookUp looks up names for which lookups wait, each in a goroutine, and returns when all wait. Each goroutine sends
// its error.
func (m *mounted) lookUp() <-chan error {
	m.t.Helper()
	ended := make(chan error, waiters)
	for i := range waiters {
		go func() {
			_, err := os.Lstat(m.path(fmt.Sprintf("wait-%d", i)))
			ended <- err
		}()
	}
	m.waitLog(" waits", waiters)
	return ended
}

// Waiting requests do not block others, and end when the waiting process is killed.
func TestInterrupt(t *testing.T) {
	m := mountMembers(t, waiting, samples(10)...)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	var commands []*exec.Cmd
	for i := range waiters {
		cmd := exec.CommandContext(ctx, "stat", m.path(fmt.Sprintf("wait-%d", i)))
		check(t, cmd.Start())
		commands = append(commands, cmd)
	}
	m.waitLog(" waits", waiters)
	read(t, m.path("000001/sample.jpg"))
	names(t, m.path("000002"))
	kill()
	for _, cmd := range commands {
		if err := cmd.Wait(); err == nil {
			t.Error("stat has found a name that is waited for")
		}
	}
	m.waitLog(" is interrupted", waiters)
	read(t, m.path("000003/sample.jpg"))
}

// A process that waits for a server gets an error when that is killed.
func TestServerKilled(t *testing.T) {
	m := mountMembers(t, waiting, samples(10)...)
	ended := m.lookUp()
	m.kill()
	for range waiters {
		if err := testtime.Receive(t, ended, "the end of a lookup"); !isCut(err) {
			t.Errorf("a lookup whose server was killed: %v", err)
		}
	}
}

// When its connection is cut, a server ends, and so do all requests that wait.
func TestConnectionCut(t *testing.T) {
	needRoot(t)
	m := mountMembers(t, waiting, samples(10)...)
	ended := m.lookUp()
	if err := unix.Unmount(m.dir, unix.MNT_FORCE); err != nil && err != unix.EBUSY {
		t.Fatal(err)
	}
	for range waiters {
		if err := testtime.Receive(t, ended, "the end of a lookup"); !isCut(err) {
			t.Errorf("a lookup whose connection was cut: %v", err)
		}
	}
	testtime.Receive(t, m.done, "the end of the server")
	m.cmd = nil
	if err := Unmount(m.dir, true); err != nil && err != unix.EINVAL {
		t.Error(err)
	}
}

// isCut reports whether an error is one that the kernel returns for a request whose server is gone. A request that it
// was about to hand to a thread of the server is cancelled with that thread.
func isCut(err error) bool {
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.ECANCELED)
}
