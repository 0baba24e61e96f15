package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/guard"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/ui"
)

// failed is the exit status of a server that fails in these tests.
const failed = 42

// TestMain lets the test binary run as a server's process.
func TestMain(m *testing.M) {
	if os.Getenv(guard.Variable) != "" {
		guard.Serve()
		os.Exit(0)
	}
	if os.Getenv(Variable) == "" {
		os.Exit(m.Run())
	}
	u := &ui.UI{Out: io.Discard, Err: os.Stderr}
	link, err := Accept()
	if err == nil {
		link.Configure(u)
		err = Serve(context.Background(), Program{UI: u}, link.Options, link)
	}
	if err != nil {
		u.Fail(err)
		os.Exit(failed)
	}
}

// fixture is a shard and where to mount it.
type fixture struct {
	options  Options
	command  Command
	messages string // file with the messages of a server
}

// prepare makes a fixture. The name of its shard is not UTF-8.
func prepare(t *testing.T) *fixture {
	t.Helper()
	if !CanMount() {
		skip.Without(t, "/dev/fuse and the right to mount")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	shardtest.Check(t, err)
	name := filepath.Join(dir, "in \xff.tar")
	shardtest.Check(t, os.Rename(shardtest.Write(t, "a.txt", "b.txt"), name))
	f := &fixture{messages: filepath.Join(dir, "messages")}
	stderr, err := os.Create(f.messages)
	shardtest.Check(t, err)
	t.Cleanup(func() { stderr.Close() })
	f.options = Options{
		Names: []string{name}, Mountpoint: filepath.Join(dir, "mnt"), Scratch: filepath.Join(dir, "scratch"),
		NoIndex: true,
	}
	f.command = Command{Args: []string{"mount", "in.tar"}, Env: os.Environ(), Stderr: stderr, UI: new(ui.UI)}
	shardtest.Check(t, os.Mkdir(f.options.Mountpoint, 0o755))
	t.Cleanup(func() { mounts.DetachIn(dir) })
	return f
}

// looks checks whether the fixture is mounted.
func (f *fixture) looks(t *testing.T, mounted bool) {
	t.Helper()
	if _, ok, err := mounts.At(f.options.Mountpoint); ok != mounted || err != nil {
		t.Errorf("mounted: %v, want %v; %v", ok, mounted, err)
	}
	entries, err := os.ReadDir(f.options.Mountpoint)
	if len(entries) != map[bool]int{false: 0, true: 2}[mounted] || err != nil {
		t.Errorf("%d entries at the mountpoint; %v", len(entries), err)
	}
}

func TestStartPrivate(t *testing.T) {
	f := prepare(t)
	p, err := StartPrivate(t.Context(), f.command, f.options)
	shardtest.Check(t, err)
	f.looks(t, true)
	for range 2 {
		if err := p.Err(); err != nil {
			t.Errorf("the server lives, and has ended: %v", err)
		}
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid()))
	if _, shown, _ := strings.Cut(string(args), "\x00"); shown != "mount\x00in.tar\x00" || err != nil {
		t.Errorf("ps shows %q; %v", args, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	f.looks(t, false)
	if scratch.IsLive(f.options.Scratch) {
		t.Error("the scratch directory is held by a server that has ended")
	}
}

// Err and Stop report a server that was killed.
func TestKilled(t *testing.T) {
	f := prepare(t)
	p, err := StartPrivate(t.Context(), f.command, f.options)
	shardtest.Check(t, err)
	shardtest.Check(t, unix.Kill(p.Pid(), unix.SIGKILL))
	for {
		// The kernel may let the process answer once more.
		if err = p.Err(); err != nil {
			break
		}
	}
	if !strings.Contains(err.Error(), "signal: killed") {
		t.Error(err)
	}
	if err := p.Stop(); err == nil {
		t.Error("Stop has no error for a killed server")
	}
	if left, err := mounts.ClearStale(f.options.Mountpoint); len(left) > 0 || err != nil {
		t.Errorf("%v; %v", left, err)
	}
	f.looks(t, false)
}

// When a user of the mount notices that the server was killed, Err knows it.
func TestKilledWhileRead(t *testing.T) {
	for range 5 {
		f := prepare(t)
		f.options.Base = BaseFUSE
		p, err := StartPrivate(t.Context(), f.command, f.options)
		shardtest.Check(t, err)
		if _, known := p.pulse.isAlive(); !known {
			p.Stop()
			skip.Without(t, "process_mrelease")
		}
		reading, noticed := make(chan struct{}), make(chan error)
		go func() {
			for n := 10; ; n++ {
				_, err := os.Lstat(filepath.Join(f.options.Mountpoint, fmt.Sprint(n))) // which is asked of the server
				if !errors.Is(err, fs.ErrNotExist) {
					noticed <- p.Err()
					return
				}
				if n == 20 {
					close(reading)
				}
			}
		}()
		<-reading
		shardtest.Check(t, unix.Kill(p.Pid(), unix.SIGKILL))
		if err := <-noticed; err == nil || !strings.Contains(err.Error(), "signal: killed") {
			t.Errorf("a request has failed, and of the server is said: %v", err)
		}
		p.Stop()
		mounts.DetachIn(filepath.Dir(f.options.Mountpoint))
	}
}

// When a request has failed because the shard has changed, Err says so, as long as the server lives.
func TestRefused(t *testing.T) {
	for _, blind := range []bool{false, true} {
		f := prepare(t)
		f.options.Base = BaseFUSE
		p, err := StartPrivate(t.Context(), f.command, f.options)
		shardtest.Check(t, err)
		if blind { // as where the kernel does not tell whether a process is alive
			unix.Close(p.pulse.pidfd)
			p.pulse.pidfd = -1
		}
		shardtest.Check(t, p.Err())
		shardtest.Check(t, os.Truncate(f.options.Names[0], 1000))
		if _, err := os.ReadFile(filepath.Join(f.options.Mountpoint, "a", "sample.txt")); err == nil {
			t.Error("a changed shard was read")
		}
		if err := p.Err(); !errors.Is(err, ErrRefused) {
			t.Errorf("%v, want %v", err, ErrRefused)
		}
		shardtest.Check(t, unix.Kill(p.Pid(), unix.SIGKILL))
		for err = p.Err(); errors.Is(err, ErrRefused); err = p.Err() {
			// The kernel has not begun to end it, or it answers once more.
		}
		if !strings.Contains(err.Error(), "signal: killed") {
			t.Error(err)
		}
		p.Stop()
		mounts.DetachIn(filepath.Dir(f.options.Mountpoint))
	}
}

// A server in the background ends with its mount.
func TestStart(t *testing.T) {
	f := prepare(t)
	shardtest.Check(t, Start(t.Context(), f.command, f.options))
	f.looks(t, true)
	shardtest.Check(t, mounts.End(t.Context(), f.options.Mountpoint, false))
	f.looks(t, false)
}

// A server that cannot mount reports why, and Start returns its exit error.
func TestStartFails(t *testing.T) {
	f := prepare(t)
	f.options.Names = []string{"missing.tar"}
	for name, start := range map[string]func() error{
		"Start": func() error { return Start(t.Context(), f.command, f.options) },
		"StartPrivate": func() error {
			_, err := StartPrivate(t.Context(), f.command, f.options)
			return err
		},
	} {
		shardtest.Check(t, os.Truncate(f.messages, 0))
		var reported *ui.ReportedError
		var exit *exec.ExitError
		err := start()
		if !errors.As(err, &reported) || !errors.As(err, &exit) || exit.ExitCode() != failed {
			t.Errorf("%s: %v", name, err)
		}
		text, err := os.ReadFile(f.messages)
		if !strings.Contains(string(text), "shardfs: error: missing.tar: no such file") || err != nil {
			t.Errorf("%s: the server has said %q; %v", name, text, err)
		}
		f.looks(t, false)
	}
}

// A server whose start is interrupted leaves nothing.
func TestStartInterrupted(t *testing.T) {
	f := prepare(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := StartPrivate(ctx, f.command, f.options); !errors.Is(err, why) {
		t.Errorf("%v, want %v", err, why)
	}
	f.looks(t, false)
}

// A server that cannot answer its parent ends, because the parent waits for an answer or the end of the server.
func TestEchoFails(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		echo(r) // r cannot be written to
		close(done)
	}()
	testtime.Receive(t, done, "the end of the echo")
}
