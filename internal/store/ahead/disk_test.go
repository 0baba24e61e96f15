package ahead

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

func openDisk(t *testing.T, dir string, limit int64) *Disk {
	t.Helper()
	d, err := OpenDisk(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// process runs a story with the caches of a process of its own, and returns its requests.
func process(t *testing.T, d *Disk, key string, size int64, story func(o *Object)) [][2]int64 {
	t.Helper()
	s := far(size)
	o := NewCache(Options{Memory: 64 << 20, Disk: d}).Open(s, Info{Size: size, Key: key})
	story(o)
	synctest.Wait()
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	return s.ranges
}

func walk(t *testing.T, o *Object) {
	for off := int64(0); off < o.size; off += 100_000 {
		mustRead(t, o, off, int(min(100_000, o.size-off)))
	}
}

// What one process has fetched, another one reads from the disk, if it is of the same version of the same object.
func TestDisk(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "blocks")
		const size = 20_000_001
		all := func(o *Object) { walk(t, o) }
		first := process(t, openDisk(t, dir, 1<<30), "a", size, all)
		if again := process(t, openDisk(t, dir, 1<<30), "a", size, all); len(first) < 3 || len(again) != 0 {
			t.Errorf("%d requests, then %d", len(first), len(again))
		}
		for _, key := range []string{"b", ""} {
			for range 2 - len(key) { // without a key nothing is kept
				if n := len(process(t, openDisk(t, dir, 1<<30), key, size, all)); n != len(first) {
					t.Errorf("key %q: %d requests, want %d", key, n, len(first))
				}
			}
		}
		if n := len(process(t, openDisk(t, dir, 1<<30), "a", size-1, all)); n != len(first) {
			t.Errorf("another size: %d requests, want %d", n, len(first))
		}
		stat, err := os.Stat(dir)
		if err != nil || stat.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", stat.Mode(), err)
		}
		for _, e := range entries(t, dir) {
			if info, err := e.Info(); err != nil || info.Mode() != 0o600 || !isBlock(e.Name()) {
				t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
			}
		}
	})
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A sample is one request of little more than its bytes also with a disk, from which it is read later.
func TestDiskRandom(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		d := openDisk(t, t.TempDir(), 1<<30)
		const each, count = 101_111, 6000
		order := rand.New(rand.NewPCG(1, 2)).Perm(count / 3)[:40]
		samples := func(o *Object) {
			for _, n := range order {
				off := int64(n) * 3 * each // no two are near each other
				o.WillRead(off, each)
				mustRead(t, o, off, each)
				synctest.Wait()
			}
		}
		bytes := int64(0)
		first := process(t, d, "a", each*count, samples)
		for _, r := range first {
			bytes += r[1] - r[0]
		}
		if len(first) != len(order) || bytes > int64(len(order))*(each+2*granule) {
			t.Errorf("%d requests for %d bytes", len(first), bytes)
		}
		if again := process(t, d, "a", each*count, samples); len(again) != 0 {
			t.Errorf("%d requests by another process", len(again))
		}
	})
}

// However a block is damaged, only the right bytes are read, and it is whole again after that.
func TestDiskDamaged(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		dir := t.TempDir()
		const size = 5<<20 + 1234
		all := func(o *Object) { walk(t, o) }
		d := openDisk(t, dir, 1<<30)
		process(t, d, "a", size, all)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 60 {
			files := entries(t, dir)
			name := filepath.Join(dir, files[r.IntN(len(files))].Name())
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			switch at := r.IntN(len(b)); i % 4 {
			case 0:
				b[at] ^= 1 << r.IntN(8)
			case 1:
				b = b[:at]
			case 2:
				b[r.IntN(block/granule)*8+r.IntN(8)]++ // a record
			case 3:
				clear(b[at:])
			}
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			process(t, d, "a", size, all)
			if n := len(process(t, d, "a", size, all)); n != 0 {
				t.Errorf("damage %d: %d requests after it was made good", i, n)
			}
		}
	})
}

// The blocks that were not used for longest are removed.
func TestDiskLimit(t *testing.T) {
	dir := t.TempDir()
	const limit = 8 << 20
	for _, key := range []string{"a", "b", "c"} {
		bubble(t, key, func(t *testing.T) {
			process(t, openDisk(t, dir, limit), key, 6<<20, func(o *Object) { walk(t, o) })
		})
	}
	total := int64(0)
	for _, e := range entries(t, dir) {
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
	}
	if total == 0 || total > limit {
		t.Errorf("%d bytes", total)
	}
}

// A directory or file that other users could have written to is not used.
func TestDiskUnsafe(t *testing.T) {
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDisk(open, 1<<30); !errors.Is(err, atomicfile.ErrForeign) {
		t.Errorf("%v", err)
	}
	bubble(t, "", func(t *testing.T) {
		dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
		name := filepath.Join(dir, blockName(digestOf("a", block), 0))
		plants := []func() error{
			func() error { return errors.Join(os.WriteFile(victim, nil, 0o600), os.Symlink(victim, name)) },
			func() error { return unix.Mkfifo(name, 0o600) },
			func() error { return os.Mkdir(name, 0o700) },
			func() error { return errors.Join(os.WriteFile(name, nil, 0o600), os.Chmod(name, 0o666)) },
		}
		for i, plant := range plants {
			if err := errors.Join(os.RemoveAll(name), plant()); err != nil {
				t.Fatal(err)
			}
			if n := len(process(t, openDisk(t, dir, 1<<30), "a", block, func(o *Object) { walk(t, o) })); n == 0 {
				t.Errorf("%d: it was read", i)
			}
		}
		if b, err := os.ReadFile(victim); len(b) > 0 || err != nil {
			t.Errorf("%d bytes were written through a link, %v", len(b), err)
		}
	})
}

// A full disk keeps nothing, and is no error.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		skip.Without(t, "the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	bubble(t, "", func(t *testing.T) {
		process(t, openDisk(t, dir, 1<<30), "a", 20<<20, func(o *Object) { walk(t, o) })
	})
	if len(entries(t, dir)) == 0 {
		t.Error("nothing was written")
	}
}

// Processes write and read the same blocks at the same time, and remove them.
func TestDiskShared(t *testing.T) {
	dir := t.TempDir()
	var running sync.WaitGroup
	for i := range 6 {
		limit := []int64{1 << 30, 3 << 20}[i%2]
		d := openDisk(t, dir, limit)
		running.Go(func() {
			for range 5 {
				s := &sim{size: 4 << 20, chunk: 1 << 20}
				o := NewCache(Options{Memory: 16 << 20, Disk: d}).Open(s, Info{Size: s.size, Key: "a"})
				walk(t, o)
				o.Close()
			}
		})
	}
	running.Wait()
}
