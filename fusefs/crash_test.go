package fusefs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"golang.org/x/sys/unix"
)

// Changes that a command had finished survive when the server is killed, and a new server continues with the same
// scratch directory.
func TestKilled(t *testing.T) { withChanges(t, testKilled) }

func testKilled(t *testing.T, kind string) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	if *long {
		rounds = 200
	}
	const writers = 4
	r := rand.New(rand.NewPCG(1, 2))
	m := mountMembers(t, kind, samples(200)...)
	var mu sync.Mutex // guards recorded
	recorded := map[string]string{}
	content := func(name string) (string, error) {
		b, err := os.ReadFile(m.path(name))
		if errors.Is(err, os.ErrNotExist) {
			return "(deleted)", nil
		}
		return string(b), err
	}
	total := 0
	for round := range rounds {
		var wg sync.WaitGroup
		var finished atomic.Int64
		killAt, reached := 1+r.Int64N(30), make(chan struct{})
		for w := range writers {
			wg.Go(func() {
				for i := 0; ; i++ {
					name, want, err := work(m, w, round, i)
					if finished.Add(1) == killAt {
						close(reached)
					}
					mu.Lock()
					if err != nil {
						delete(recorded, name) // killed in the middle of it: old, new or half
						mu.Unlock()
						return
					}
					recorded[name] = want
					mu.Unlock()
				}
			})
		}
		testtime.Receive(t, reached, "changes")
		m.kill()
		wg.Wait()
		// A copy that was not finished must not be in the way.
		write(t, filepath.Join(m.scratch, "work", "leftover"), "x")
		m.start()
		if left := m.leftInWork(); len(left) > 0 {
			t.Fatalf("round %d: left in the work directory: %q", round, left)
		}
		for name, want := range recorded {
			if got, err := content(name); err != nil || got != want {
				t.Fatalf("round %d: %s holds %.60q, %v, want %.60q", round, name, got, err, want)
			}
		}
		total += len(recorded)
	}
	if total < rounds {
		t.Fatalf("%d files recorded in %d rounds: the test proves nothing", total, rounds)
	}
	m.restart()
	for name, want := range recorded {
		if got, err := content(name); err != nil || got != want {
			t.Fatalf("in the end: %s holds %.60q, %v, want %.60q", name, got, err, want)
		}
	}
}

// work changes a file in a mount and returns its name and its content after the change.
func work(m *mounted, writer, round, i int) (name, content string, err error) {
	content = strings.Repeat(fmt.Sprintf("%d.%d.%d ", writer, round, i), 1+i%7*1000)
	dir := fmt.Sprintf("%06d/", (i*4+writer)%200)
	switch i % 5 {
	case 0: // a new file
		name = dir + fmt.Sprintf("new%d.%d", writer, round)
		return name, content, os.WriteFile(m.path(name), []byte(content), 0o644)
	case 1: // a file of the shard, written over
		name = dir + "sample.jpg"
		return name, content, os.WriteFile(m.path(name), []byte(content), 0o644)
	case 2: // saved as editors do
		name = dir + "sample.cls"
		temp := m.path(dir + fmt.Sprintf("temp%d", writer))
		if err = os.WriteFile(temp, []byte(content), 0o644); err == nil {
			err = os.Rename(temp, m.path(name))
		}
		return name, content, err
	case 3: // deleted
		name = dir + "__source__"
		if err = os.Remove(m.path(name)); errors.Is(err, os.ErrNotExist) {
			_, err = os.Stat(m.path(dir)) // or is the whole mount gone?
		}
		return name, "(deleted)", err
	default: // written, made durable, and not closed
		name = dir + fmt.Sprintf("synced%d.%d", writer, round)
		f, err := os.OpenFile(m.path(name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
		if err != nil {
			return name, content, err
		}
		defer f.Close()
		if _, err = f.WriteString(content); err == nil {
			err = f.Sync()
		}
		return name, content, err
	}
}

func TestScratchInUse(t *testing.T) {
	m := mountMembers(t, withFUSE, samples(1)...)
	other := &mounted{t: t, shard: m.shard, scratch: m.scratch, dir: t.TempDir(), kind: withFUSE}
	if err := other.tryStart(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server of one scratch directory: %v", err)
	}
}

// A full scratch directory makes writes fail, and nothing else.
func TestScratchFull(t *testing.T) { withChanges(t, testScratchFull) }

func testScratchFull(t *testing.T, kind string) {
	needRoot(t)
	name := filepath.Join(t.TempDir(), "shard.tar")
	big := strings.Repeat("x", 300_000)
	writeShard(t, name, []member{{"a.bin", big}, {"b.bin", big}, {"c.bin", big}, {"c.txt", "c"}, {"d.bin", big}})
	for _, limit := range []string{"size=1m", "nr_inodes=24"} {
		t.Run(limit, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mount("none", dir, "tmpfs", 0, limit); err != nil {
				skip.Without(t, "a tmpfs: %v", err)
			}
			t.Cleanup(func() { check(t, unix.Unmount(dir, 0)) })
			m := &mounted{t: t, shard: name, scratch: filepath.Join(dir, "scratch"), dir: t.TempDir(), kind: kind}
			t.Cleanup(func() { m.stop() })
			m.start()
			write(t, m.path("a/before"), "written before")
			written := 0
			var err error
			for ; err == nil && written < 100; written++ {
				err = os.WriteFile(m.path(fmt.Sprintf("a/fill%d", written)), []byte(big), 0o644)
			}
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatalf("after %d files: %v, want ENOSPC", written, err)
			}
			for what, do := range map[string]func() error{
				"copy up":  func() error { return os.Truncate(m.path("b/sample.bin"), 299_999) },
				"rename":   func() error { return os.Rename(m.path("c/sample.bin"), m.path("a/c")) },
				"hardlink": func() error { return os.Link(m.path("d/sample.bin"), m.path("d/link")) },
				"chmod":    func() error { return os.Chmod(m.path("d/sample.bin"), 0o600) },
			} {
				if err := do(); !errors.Is(err, unix.ENOSPC) {
					t.Errorf("%s: %v, want ENOSPC", what, err)
				}
			}
			for file, want := range map[string]string{
				"a/before": "written before", "b/sample.bin": big, "c/sample.bin": big, "d/sample.bin": big,
				"c/sample.txt": "c",
			} {
				if got := read(t, m.path(file)); got != want {
					t.Errorf("%s holds %d bytes, %.20q, want %d", file, len(got), got, len(want))
				}
			}
			for i := range written {
				check(t, os.RemoveAll(m.path(fmt.Sprintf("a/fill%d", i))))
			}
			write(t, m.path("b/sample.bin"), "now it fits")
			check(t, os.Rename(m.path("c/sample.bin"), m.path("a/c")))
			m.restart()
			if got := read(t, m.path("b/sample.bin")) + read(t, m.path("a/c")); got != "now it fits"+big {
				t.Errorf("mounted again, what was written then is %.20q", got)
			}
			if left := m.leftInWork(); len(left) > 0 {
				t.Errorf("left in the work directory: %q", left)
			}
		})
	}
}

// Commands with a working directory in a mount that another process serves do not hang, at any GOMAXPROCS of the
// server.
func TestCommandsInMount(t *testing.T) { withChanges(t, testCommandsInMount) }

func testCommandsInMount(t *testing.T, kind string) {
	for _, procs := range []string{"1", "4"} {
		t.Run("GOMAXPROCS="+procs, func(t *testing.T) {
			t.Setenv("GOMAXPROCS", procs)
			m := mountMembers(t, kind, samples(200)...)
			const commands = 60
			next := make(chan string, commands)
			for i := range commands {
				next <- fmt.Sprintf("%06d", i)
			}
			close(next)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for key := range next {
						cmd := exec.Command("sh", "-c",
							"cat __key__ sample.cls >sample.out && rm sample.jpg && cat sample.out")
						cmd.Dir = m.path(key)
						out, err := cmd.CombinedOutput()
						if err != nil || !strings.HasPrefix(string(out), key) {
							t.Errorf("%s: %v: %s", key, err, out)
						}
					}
				})
			}
			finished := make(chan struct{})
			go func() {
				wg.Wait()
				close(finished)
			}()
			select {
			case <-finished:
			case <-time.After(testtime.Limit(t, time.Minute)):
				m.kill() // a command that hangs gets an error
				t.Fatal("the commands hang")
			}
		})
	}
}
