package fusefs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/view"
)

// More kinds of mounts.
const (
	many    = "many"    // of the shard, twice
	waiting = "waiting" // that answers as if it always had to wait, and for some names does
)

const (
	uringVariable = "SHARDFS_TEST_URING" // set, makes a server answer through io_uring
	gcVariable    = "SHARDFS_TEST_GC"    // set, makes a server collect garbage all the time
)

func init() {
	if os.Getenv(gcVariable) != "" {
		go func() {
			for {
				runtime.GC()
			}
		}()
	}
}

// serveOther serves a mount of one of the kinds above.
func serveOther(sh *shard.Shard, mountpoint, kind string, o Options) (*Server, error) {
	if kind == waiting {
		o.ReadOnly = true
		return serve(waiter{newBase(view.One(sh), o.report())}, mountpoint, &o, o.report())
	}
	set, err := view.Many([]string{sh.Name, sh.Name}, func(ctx context.Context, name string) (*shard.Shard, error) {
		return shard.Open(ctx, name, shard.Options{})
	})
	if err != nil {
		return nil, err
	}
	return Show(set, mountpoint, o)
}

// waiter waits for names that begin with "wait" until it is told that nobody wants to know any more.
type waiter struct{ *base }

func (waiter) prompt(uint32, uint64) (func(), bool) { return nil, false }

func (w waiter) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if strings.HasPrefix(name, "wait") {
		<-cancel
		return fuse.EINTR
	}
	return w.base.Lookup(cancel, in, name, out)
}

// needUring lets the kernel offer io_uring to FUSE until the test ends.
func needUring(t testing.TB) {
	t.Helper()
	needFUSE(t)
	has, err := os.ReadFile(uringParameter)
	if err == nil && string(bytes.TrimSpace(has)) != "Y" {
		if err = os.WriteFile(uringParameter, []byte("Y"), 0); err == nil {
			t.Cleanup(func() { check(t, os.WriteFile(uringParameter, has, 0)) })
		}
	}
	if err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %s answers through io_uring, and %s: %v", t.Name(), uringParameter, err)
	}
}

// ofAllSizes returns the members of n samples.
func ofAllSizes(n int) []member {
	source := rand.NewChaCha8([32]byte{})
	content := func(size int) string {
		b := make([]byte, size)
		source.Read(b)
		return string(b)
	}
	var all []member
	for i := range n {
		key := fmt.Sprintf("%06d", i)
		all = append(all, member{key + ".0", ""}, member{key + ".1", content(1)}, member{key + ".4k", content(4096)})
		if i%10 == 0 {
			all = append(all, member{key + ".140k", content(140_000)})
		}
		if i%100 == 0 {
			all = append(all, member{key + ".3m", content(3 << 20)})
		}
	}
	return all
}

// seen tells of all that is in a directory, by path.
func seen(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		var content []byte
		if d.Type().IsRegular() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		if path == dir {
			st.Mtim.Sec = 0 // that of the upper directory, with changes
		}
		all[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%o %d %d %x", st.Mode, st.Size, st.Mtim.Sec, sha256.Sum256(content))
		return nil
	})
	return all, err
}

// within ends a test if do takes too long.
func within(t *testing.T, d time.Duration, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s: not within %s", what, d)
	}
}

// What is seen does not depend on how requests come.
func TestUringShowsTheSame(t *testing.T) {
	needUring(t)
	for _, kind := range []string{shown, withOverlay, many, waiting} {
		for _, name := range []string{"shard.tar", "shard.tar.gz"} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				if kind == withOverlay {
					needOverlay(t)
				}
				name := filepath.Join(t.TempDir(), name)
				writeShard(t, name, ofAllSizes(300))
				classic := mountShard(t, name, strings.Replace(kind, waiting, shown, 1))
				want, err := seen(classic.dir)
				check(t, err)
				t.Setenv(uringVariable, "1")
				m := mountShard(t, name, kind)
				within(t, time.Minute, "reading", func() {
					var readers sync.WaitGroup
					for range 8 {
						readers.Go(func() {
							if got, err := seen(m.dir); err != nil || !reflect.DeepEqual(got, want) {
								t.Errorf("%d files are not the same as the %d that come without io_uring: %v", len(got), len(want), err)
							}
						})
					}
					readers.Wait()
					if got, want := names(t, m.dir), names(t, classic.dir); !slices.Equal(got, want) {
						t.Errorf("listed: %q, want %q", got, want)
					}
					for _, missing := range []string{"missing", "000001/missing", "000001/sample.1/below", strings.Repeat("x", 256)} {
						_, got := os.Stat(m.path(missing))
						_, want := os.Stat(classic.path(missing))
						if got == nil || errors.Unwrap(got) != errors.Unwrap(want) {
							t.Errorf("stat %s: %v, want %v", missing, got, want)
						}
					}
					var a, b unix.Statfs_t
					if err := errors.Join(unix.Statfs(m.dir, &a), unix.Statfs(classic.dir, &b)); err != nil || a.Blocks != b.Blocks {
						t.Errorf("statfs: %d blocks, want %d: %v", a.Blocks, b.Blocks, err)
					}
				})
			})
		}
	}
}

// The kernel asks for the same.
func TestUringRequests(t *testing.T) {
	needUring(t)
	t.Setenv(uringVariable, "1")
	t.Setenv(traceVariable, "1")
	m := mountMembers(t, shown, samples(10)...)
	_, err := os.Stat(m.dir)
	check(t, err)
	m.requests()
	for i := range 10 {
		read(t, m.path(fmt.Sprintf("%06d/sample.jpg", i)))
	}
	if got, want := m.requests(), "FLUSH 1, LOOKUP 20, OPEN 1, READ 10"; got != want {
		t.Errorf("the kernel asks for\n%q, want\n%q", got, want)
	}
}

// busy has 8 goroutines ask for what the kernel does not know until stop is called. Each ends at its first error; a name
// that is missing is none. Stop returns those.
func busy(m *mounted) (asked *atomic.Int64, stop func() []error) {
	asked = new(atomic.Int64)
	var ended atomic.Bool
	var askers sync.WaitGroup
	errs := make([]error, 8)
	for n := range errs {
		askers.Go(func() {
			for i := 0; !ended.Load(); i++ {
				var st unix.Statfs_t
				if errs[n] = unix.Statfs(m.path("000001"), &st); errs[n] != nil {
					return
				}
				name := m.path(fmt.Sprintf("%06d/missing-%d-%d", i%100, n, i))
				if _, err := os.Stat(name); !errors.Is(err, unix.ENOENT) {
					errs[n] = fmt.Errorf("stat %s: %w", name, err)
					return
				}
				asked.Add(2)
			}
		})
	}
	return asked, func() []error {
		ended.Store(true)
		askers.Wait()
		return errs
	}
}

func TestUringUnmountWhileBusy(t *testing.T) {
	needUring(t)
	t.Setenv(uringVariable, "1")
	for range 5 {
		m := mountMembers(t, shown, samples(100)...)
		f, err := os.Open(m.path("000001/sample.jpg"))
		check(t, err)
		_, stop := busy(m)
		time.Sleep(100 * time.Millisecond)
		check(t, m.stdin.Close()) // it unmounts
		within(t, 20*time.Second, "the end of who is busy", func() {
			for errs := []error(nil); slices.Contains(errs, nil); errs = stop() {
				time.Sleep(100 * time.Millisecond)
			}
			stop()
		})
		// It is served as long as somebody has it open.
		b := make([]byte, 600)
		if n, err := f.ReadAt(b, 0); n != 600 {
			t.Errorf("what is open is not served any more: %d bytes, %v", n, err)
		}
		check(t, f.Close())
		m.stop()
	}
}

func TestUringKilled(t *testing.T) {
	needUring(t)
	t.Setenv(uringVariable, "1")
	m := mountMembers(t, waiting, samples(100)...)
	_, stop := busy(m)
	ended := make(chan error, 10)
	for i := range cap(ended) {
		go func() {
			_, err := os.Stat(m.path(fmt.Sprintf("wait-%d", i)))
			ended <- err
		}()
	}
	time.Sleep(100 * time.Millisecond)
	m.cmd.Process.Kill()
	within(t, 20*time.Second, "the end of who waits", func() {
		for range cap(ended) {
			if err := <-ended; !isCut(err) {
				t.Errorf("waiting: %v", err)
			}
		}
		for _, err := range stop() {
			if !isCut(err) {
				t.Errorf("busy: %v", err)
			}
		}
	})
	within(t, 20*time.Second, "the server's end", func() {
		m.kill()
	})
}

// isCut reports whether an error is one that the kernel gives who asks a server that was killed. A request that it was about to
// hand to a thread of the server is cancelled with that thread.
func isCut(err error) bool {
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.ECANCELED)
}

// Who waits holds up nobody else, and can be interrupted.
func TestUringInterrupt(t *testing.T) {
	needUring(t)
	t.Setenv(uringVariable, "1")
	m := mountMembers(t, waiting, samples(100)...)
	for range 10 {
		within(t, 20*time.Second, "who waits", func() {
			var waiters sync.WaitGroup
			for i := range 5 {
				waiters.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*20*time.Millisecond)
					defer cancel()
					if err := exec.CommandContext(ctx, "stat", m.path(fmt.Sprintf("wait-%d", i))).Run(); ctx.Err() == nil {
						t.Errorf("did not wait: %v", err)
					}
				})
			}
			read(t, m.path("000001/sample.jpg"))
			names(t, m.path("000002"))
			waiters.Wait()
		})
	}
	// As many wait as there is room for, and more, and then nobody.
	asked, stop := busy(m)
	within(t, 30*time.Second, "very many who wait", func() {
		var waiters sync.WaitGroup
		for i := range 2 * slotsPerQueue * runtime.NumCPU() {
			waiters.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				exec.CommandContext(ctx, "stat", m.path(fmt.Sprintf("wait-too-%d", i))).Run()
			})
		}
		waiters.Wait()
		before := asked.Load()
		for asked.Load() == before {
			time.Sleep(time.Millisecond)
		}
		for _, err := range stop() {
			check(t, err)
		}
	})
}

// A server ends when its connection does, whoever waits.
func TestUringAborted(t *testing.T) {
	needUring(t)
	t.Setenv(uringVariable, "1")
	m := mountMembers(t, waiting, samples(100)...)
	_, stop := busy(m)
	ended := make(chan error, 10)
	for i := range cap(ended) {
		go func() {
			_, err := os.Stat(m.path(fmt.Sprintf("wait-%d", i)))
			ended <- err
		}()
	}
	time.Sleep(100 * time.Millisecond)
	within(t, 20*time.Second, "the end", func() {
		if err := unix.Unmount(m.dir, unix.MNT_FORCE); err != nil && err != unix.EBUSY {
			t.Error(err)
		}
		for range cap(ended) {
			if err := <-ended; err == nil || errors.Is(err, unix.ENOENT) {
				t.Errorf("waiting: %v", err)
			}
		}
		stop()
		<-m.done
	})
	if err := Unmount(m.dir, true); err != nil && err != unix.EINVAL {
		t.Error(err)
	}
}

func TestUringUnderGC(t *testing.T) {
	needUring(t)
	name := filepath.Join(t.TempDir(), "shard.tar")
	writeShard(t, name, ofAllSizes(100))
	want, err := seen(mountShard(t, name, shown).dir)
	check(t, err)
	t.Setenv(uringVariable, "1")
	t.Setenv(gcVariable, "1")
	for _, kind := range []string{shown, waiting} {
		m := mountShard(t, name, kind)
		asked, stop := busy(m)
		within(t, time.Minute, "reading", func() {
			for began := time.Now(); time.Since(began) < 3*time.Second; {
				got, err := seen(m.dir)
				check(t, err)
				if !reflect.DeepEqual(got, want) {
					t.Error("what is read is not the same as without io_uring")
				}
			}
			for _, err := range stop() {
				check(t, err)
			}
		})
		if asked.Load() == 0 {
			t.Error("nobody was answered")
		}
		within(t, 30*time.Second, "the server's end", m.stop)
	}
}

// A server leaves nothing behind in its process. It may start and end in this one as nobody uses the mount.
func TestUringLeavesNothing(t *testing.T) {
	needUring(t)
	name := filepath.Join(t.TempDir(), "shard.tar")
	writeShard(t, name, samples(10))
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	check(t, err)
	defer sh.Close()
	held := func() []int { // goroutines, rings, descriptors
		return []int{runtime.NumGoroutine(), strings.Count(read(t, "/proc/self/maps"), "[io_uring]"), len(names(t, "/proc/self/fd"))}
	}
	more := func(now, before []int) bool {
		return now[0] > before[0] || now[1] > before[1] || now[2] > before[2]
	}
	dir := t.TempDir()
	before := held()
	for range 10 {
		within(t, 20*time.Second, "mount and unmount", func() {
			s, err := Show(view.One(sh), dir, Options{Uring: true})
			check(t, err)
			if now := held(); now[1] <= before[1] {
				t.Errorf("there are no rings")
			}
			check(t, s.Unmount())
			s.Wait()
		})
	}
	after := held()
	for i := 0; more(after, before) && i < 100; i++ { // goroutines may be about to end
		time.Sleep(10 * time.Millisecond)
		after = held()
	}
	if more(after, before) {
		t.Errorf("there are %d goroutines, rings and descriptors, and before there were %d", after, before)
	}
}

func TestNoUring(t *testing.T) {
	needFUSE(t)
	if has, err := os.ReadFile(uringParameter); err == nil && string(bytes.TrimSpace(has)) == "Y" {
		t.Skipf("SKIPPED, NOT TESTED: %s needs a kernel that does not offer io_uring", t.Name())
	}
	_, err := Show(nil, t.TempDir(), Options{Uring: true})
	if !errors.Is(err, ErrNoUring) || !strings.Contains(err.Error(), "enable_uring") {
		t.Error(err)
	}
	if _, err := Change(nil, t.TempDir(), Options{Uring: true}); !errors.Is(err, ErrNoUring) {
		t.Error(err)
	}
}
