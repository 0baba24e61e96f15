package guard

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// long is a flag of make torture.
var long = flag.Bool("long", false, "100 000 reads of each file system under a writer")

// onFileSystems runs a test in a directory of each file system.
func onFileSystems(t *testing.T, test func(t *testing.T, dir string)) {
	for name, mkfs := range map[string][]string{
		"tmpfs": nil,
		"ext4":  {"mkfs.ext4", "-q", "-F"},
		"xfs":   {"mkfs.xfs", "-q"},
		"btrfs": {"mkfs.btrfs", "-q"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			source, options := "tmpfs", "nosuid"
			if mkfs != nil {
				source, options = filepath.Join(t.TempDir(), "image"), "nosuid,loop"
				if err := errors.Join(os.WriteFile(source, nil, 0o600), os.Truncate(source, 400<<20)); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command(mkfs[0], append(mkfs[1:], source)...).CombinedOutput(); err != nil {
					skip.Without(t, "%s: %v %s", mkfs[0], err, out)
				}
			}
			if out, err := exec.Command("mount", "-t", name, "-o", options, source, dir).CombinedOutput(); err != nil {
				skip.Without(t, "mount -t %s: %v %s", name, err, out)
			}
			t.Cleanup(func() {
				if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
					t.Errorf("umount: %v %s", err, out)
				}
			})
			test(t, dir)
		})
	}
}

// tally counts reads by their results.
type tally struct{ right, denied, wrong atomic.Int64 }

// read reads at a random place, mostly without the caches of EROFS, and sometimes without those of the shard.
func (c *tally) read(t *testing.T, data, shard int, size int) {
	b := make([]byte, 4096<<rand.IntN(5))
	off := int64(rand.IntN(size/4096)) * 4096
	if rand.IntN(8) > 0 {
		unix.Fadvise(data, off, int64(len(b)), unix.FADV_DONTNEED)
	}
	if rand.IntN(8) == 0 {
		unix.Fadvise(shard, off, int64(len(b)), unix.FADV_DONTNEED)
	}
	n, err := unix.Pread(data, b, off)
	switch {
	case err == unix.EIO:
		c.denied.Add(1)
	case err != nil:
		t.Error(err)
	case bytes.Count(b[:n], []byte{1}) == n:
		c.right.Add(1)
	default:
		c.wrong.Add(1)
	}
}

// No read through EROFS ever has a byte that a writer has written.
func TestStress(t *testing.T) {
	onFileSystems(t, func(t *testing.T, dir string) {
		rounds, reads := 3, 300
		if *long {
			rounds, reads = 25, 1000
		}
		var c tally
		var waited time.Duration
		for range rounds {
			waited = max(waited, stress(t, dir, reads, &c))
		}
		t.Logf("%d reads right, %d denied; the writer waited at most %v", c.right.Load(), c.denied.Load(), waited)
		if c.right.Load() == 0 || c.denied.Load() == 0 {
			t.Error("too few of some kind")
		}
		if c.wrong.Load() != 0 {
			t.Errorf("%d reads have other bytes", c.wrong.Load())
		}
	})
}

// stress has four readers read a shard, each so often before it is opened for writing, while it is overwritten, and after
// that, and returns how long the writer had to wait.
func stress(t *testing.T, dir string, reads int, c *tally) (waited time.Duration) {
	const size, readers = 4 << 20, 4
	shard := newShard(t, dir, size)
	defer os.Remove(shard)
	g := start(t, shard)
	mnt := mountOver(t, g.Devices()[0], size)
	if err := g.Opened(mnt); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(mnt, unix.MNT_DETACH)
	files := make([]*os.File, 2)
	for i, name := range []string{filepath.Join(mnt, "data"), shard} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	var warm, all sync.WaitGroup
	warm.Add(readers)
	written := make(chan struct{})
	for range readers {
		all.Go(func() {
			read := func() { c.read(t, int(files[0].Fd()), int(files[1].Fd()), size) }
			for range reads {
				read()
			}
			warm.Done()
			for !isClosed(written) {
				read()
			}
			for range reads {
				read()
			}
		})
	}
	warm.Wait()
	begin := time.Now()
	w, err := os.OpenFile(shard, os.O_RDWR, 0)
	waited = time.Since(begin)
	if err == nil {
		other := bytes.Repeat([]byte{2}, size)
		_, err = w.WriteAt(other, 0)
		err = errors.Join(err, w.Sync(), w.Close())
	}
	close(written)
	all.Wait()
	if err != nil {
		t.Error(err)
	}
	return waited
}

// A clone keeps its bytes, and where there are none the error says so.
func TestClone(t *testing.T) {
	onFileSystems(t, func(t *testing.T, dir string) {
		shard := newShard(t, dir, size)
		f, err := os.OpenFile(shard, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		clone, err := Clone(int(f.Fd()))
		kind := filepath.Base(t.Name())
		if kind == "tmpfs" || kind == "ext4" {
			if !errors.Is(err, ErrNoClones) {
				t.Errorf("%v, want ErrNoClones", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer clone.Close()
		if _, err := f.WriteAt(make([]byte, size), 0); err != nil {
			t.Fatal(err)
		}
		mnt := mountOver(t, path(int(clone.Fd())), size)
		defer unix.Unmount(mnt, 0)
		got, err := os.ReadFile(filepath.Join(mnt, "data"))
		if err != nil || bytes.Count(got, []byte{1}) != size {
			t.Errorf("%d bytes are right, %v", bytes.Count(got, []byte{1}), err)
		}
	})
}
