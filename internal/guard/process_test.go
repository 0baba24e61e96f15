package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// serverVariable is the environment variable that makes the test binary the server of a mount in that directory.
const serverVariable = "GUARD_TEST_SERVER"

// serveTest mounts the shard of a directory, prints the number of the guardian, and waits for the end of the input.
func serveTest(dir string) error {
	f, err := os.Open(filepath.Join(dir, "shard.tar"))
	if err != nil {
		return err
	}
	os.Unsetenv(serverVariable)
	g, err := startOne(context.Background(), f, Command{Env: os.Environ()})
	if err != nil {
		return err
	}
	mnt := filepath.Join(dir, "mnt")
	if err := mountAt(mnt, filepath.Join(dir, "image"), g.Devices()[0]); err != nil {
		return err
	}
	if err := g.Opened(mnt); err != nil {
		return err
	}
	fmt.Println(g.guardian.cmd.Process.Pid)
	io.Copy(io.Discard, os.Stdin)
	return errors.Join(unix.Unmount(mnt, 0), g.Close())
}

// server is a process that serves a mount.
type server struct {
	cmd      *exec.Cmd
	input    io.Closer
	guardian int // its process
	shard    string
	data     string // the file that EROFS shows
}

// startServer starts a process that serves a mount.
func startServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{shard: newShard(t, dir, size), data: filepath.Join(dir, "mnt", "data")}
	if err := os.Mkdir(filepath.Dir(s.data), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "image"), image(size, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	mountOver(t, s.shard, size) // skips where it cannot
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), serverVariable+"="+dir)
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.input = in
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		unix.Unmount(filepath.Dir(s.data), unix.MNT_DETACH)
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	if s.guardian, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		if os.Geteuid() != 0 {
			skip.Without(t, "root")
		}
		t.Fatalf("the server said %q", line)
	}
	return s
}

// isAlive reports whether a process has not ended.
func isAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// isMounted reports whether the mount is in its place.
func (s *server) isMounted() bool {
	_, err := os.Stat(s.data)
	return err == nil
}

// A server that ends with its mount takes the guardian with it.
func TestEnd(t *testing.T) {
	s := startServer(t)
	s.input.Close()
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
	testtime.Eventually(t, "the end of the guardian", func() bool { return !isAlive(s.guardian) })
}

// When the server is killed the mount goes, what uses it still cannot read, and the guardian stays as long as that.
func TestKilledServer(t *testing.T) {
	s := startServer(t)
	f, err := os.Open(s.data)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.cmd.Process.Kill()
	s.cmd.Wait()
	testtime.Eventually(t, "the end of the mount", func() bool { return !s.isMounted() })
	if err := os.WriteFile(s.shard, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	b := []byte{0}
	if _, err := f.ReadAt(b, size/2); !errors.Is(err, unix.EIO) {
		t.Errorf("%v, want EIO", err)
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGIO} {
		unix.Kill(s.guardian, sig)
	}
	if _, err := f.ReadAt(b, size/2+100_000); !errors.Is(err, unix.EIO) || !isAlive(s.guardian) {
		t.Errorf("%v, want EIO; the guardian lives: %v", err, isAlive(s.guardian))
	}
	f.Close()
	testtime.Eventually(t, "the end of the guardian", func() bool { return !isAlive(s.guardian) })
}

// The guardian finds a mount that was moved, and leaves one alone that has taken its place.
func TestKilledServerOfMovedMount(t *testing.T) {
	s := startServer(t)
	mnt := filepath.Dir(s.data)
	moved := filepath.Join(t.TempDir(), "with a space\\")
	if err := os.Mkdir(moved, 0o700); err != nil {
		t.Fatal(err)
	}
	// A mount can be moved only out of one that is not shared.
	if err := unix.Mount(mnt, moved, "", unix.MS_MOVE, ""); err != nil {
		skip.Without(t, "mounts that can be moved: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(moved, unix.MNT_DETACH) })
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
	testtime.Eventually(t, "the end of the guardian", func() bool { return !isAlive(s.guardian) })
	if _, err := os.Stat(filepath.Join(moved, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that it does not exist", err)
	}
	if err := unix.Unmount(mnt, 0); err != nil {
		t.Error(err)
	}
}

// current returns the guardian of this moment.
func (g *Guard) current() *guardian {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.guardian
}

// A killed guardian is replaced, which changes nothing, before a break and after it.
func TestKilledGuardian(t *testing.T) {
	shard := newShard(t, t.TempDir(), size)
	g, data := guarded(t, shard, size)
	kill := func() {
		t.Helper()
		old := g.current()
		old.cmd.Process.Kill()
		testtime.Eventually(t, "another guardian", func() bool { return g.current() != old })
	}
	kill()
	kill()
	if b, err := readAt(t, data, 0); b != 1 || err != nil {
		t.Errorf("%d, %v", b, err)
	}
	f, err := os.OpenFile(shard, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kill()
	if b, err := readAt(t, data, 0); !errors.Is(err, unix.EIO) {
		t.Errorf("%d, %v, want EIO", b, err)
	}
}

// isStopped reports whether all threads of a process are stopped. One that runs may go on for a moment after the signal.
func isStopped(pid int) bool {
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range all {
		if stat, err := os.ReadFile(name); err != nil || !strings.Contains(string(stat), ") T ") {
			return false
		}
	}
	return err == nil && len(all) > 0
}

// When one of the two is stopped the other one lets the writer go on, before the kernel would.
func TestStopped(t *testing.T) {
	for _, who := range []string{"server", "guardian"} {
		t.Run(who, func(t *testing.T) {
			s := startServer(t)
			pid := s.guardian
			if who == "server" {
				pid = s.cmd.Process.Pid
			}
			unix.Kill(pid, unix.SIGSTOP)
			defer unix.Kill(pid, unix.SIGCONT)
			testtime.Eventually(t, "that all threads are stopped", func() bool { return isStopped(pid) })
			start := time.Now()
			f, err := os.OpenFile(s.shard, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if waited := time.Since(start); waited > 40*time.Second {
				t.Errorf("the writer waited %v", waited)
			}
			if b, err := readAt(t, s.data, 0); !errors.Is(err, unix.EIO) {
				t.Errorf("%d, %v, want EIO", b, err)
			}
		})
	}
}

// The guardian is not what is ended together with the program, or when memory is short.
func TestHide(t *testing.T) {
	g := start(t, newShard(t, t.TempDir(), size))
	g.Devices() // it is ready
	proc := fmt.Sprintf("/proc/%d/", g.current().cmd.Process.Pid)
	if b, err := os.ReadFile(proc + "comm"); err != nil || strings.TrimSpace(string(b)) != name {
		t.Errorf("its name is %q, %v", b, err)
	}
	b, err := os.ReadFile(proc + "oom_score_adj")
	if got := strings.TrimSpace(string(b)); err != nil || got != "-1000" {
		if os.WriteFile(proc+"oom_score_adj", []byte("-1000"), 0) != nil {
			skip.Part(t, "CAP_SYS_RESOURCE")
		} else {
			t.Errorf("oom_score_adj: %q, %v", got, err)
		}
	}
}
