package ramdisk

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// mounted returns a Disk of a size in bytes, which is closed at the end of the test.
func mounted(t *testing.T, size int64) *Disk {
	t.Helper()
	shardtest.NeedRoot(t)
	d, err := mount(t.TempDir(), func() int64 { return size * share }, 0)
	if errors.Is(err, unix.EPERM) {
		skip.Without(t, "the right to mount a tmpfs: %v", err)
	}
	shardtest.Check(t, err)
	t.Cleanup(func() {
		shardtest.Check(t, d.Close())
		if left, err := os.ReadDir(d.Dir); err != nil || len(left) > 0 {
			t.Errorf("it is still mounted: %v, %v", left, err)
		}
	})
	return d
}

// fill writes a file of so many bytes, or as many as there is room for.
func fill(t *testing.T, d *Disk, name string, bytes int) error {
	t.Helper()
	f, err := os.Create(filepath.Join(d.Dir, name))
	shardtest.Check(t, err)
	_, err = f.Write(make([]byte, bytes))
	shardtest.Check(t, f.Close())
	return err
}

// Up to half of the size is given out, and what has filled the disk is told.
func TestRoom(t *testing.T) {
	d := mounted(t, 16<<20)
	if !d.Room(0) || !d.Room(7<<20) || d.Room(9<<20) {
		t.Error("an empty disk of 16 MiB does not have room for 7, or has room for 9")
	}
	before := d.Begin()
	shardtest.Check(t, fill(t, d, "small", 2<<20))
	if !d.Room(5<<20) || d.Room(7<<20) {
		t.Error("with 2 MiB on it, it does not have room for 5, or has room for 7")
	}
	if before.Lacked(true) || before.Lacked(false) {
		t.Error("it was full with 2 MiB")
	}
	shardtest.Check(t, fill(t, d, "half", 8<<20))
	if !before.Lacked(true) || before.Lacked(false) {
		t.Error("with 10 MiB, a program that failed may have found it full, and one that did not has not")
	}
	shardtest.Check(t, os.Remove(filepath.Join(d.Dir, "half")))
	if after := d.Begin(); after.Lacked(true) || !before.Lacked(true) {
		t.Error("only the program that was there when it was half full may have found it full")
	}
	if !d.Room(5 << 20) {
		t.Error("it has no room although it never was full")
	}
	full := d.Begin()
	if err := fill(t, d, "full", 20<<20); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("20 MiB on a disk of 16: %v", err)
	}
	if !full.Lacked(true) || !full.Lacked(false) {
		t.Error("it is full")
	}
	shardtest.Check(t, os.Remove(filepath.Join(d.Dir, "full")))
	if d.Room(0) {
		t.Error("it has room although it was full once")
	}
}

// Files without content fill a disk, too.
func TestRoomOfFiles(t *testing.T) {
	d := mounted(t, 1<<20)
	use := d.Begin()
	for i := range 1200 {
		if fill(t, d, string(rune('一'+i)), 0); i > 600 && !use.Lacked(true) {
			t.Fatalf("it has room for more than %d files", i)
		}
		if use.Lacked(false) {
			return
		}
	}
	t.Error("it has room for 1200 files in 1 MiB")
}

// Large files are in large pages, small ones take no more than they need.
func TestSpace(t *testing.T) {
	d := mounted(t, 64<<20)
	for _, tt := range []struct{ bytes, most int }{{1, 4096}, {5000, 8192}, {921_615, 1 << 20}, {5 << 20, 6 << 20}} {
		before := d.look()
		shardtest.Check(t, fill(t, d, "file", tt.bytes))
		if used := d.look() - before; used > int64(tt.most) {
			t.Errorf("a file of %d bytes takes %d, more than %d", tt.bytes, used, tt.most)
		}
		shardtest.Check(t, os.Remove(filepath.Join(d.Dir, "file")))
	}
}

// A disk is not mounted where memory is scarce, and gives out nothing once it becomes scarce.
func TestScarce(t *testing.T) {
	var memory atomic.Int64
	available := func() int64 { return memory.Load() }
	memory.Store(share*least - 1)
	if _, err := mount(t.TempDir(), available, least); !errors.Is(err, ErrScarce) {
		t.Errorf("mount = %v, want ErrScarce", err)
	}
	shardtest.NeedRoot(t)
	memory.Store(share << 20)
	d, err := mount(t.TempDir(), available, 0)
	if errors.Is(err, unix.EPERM) {
		skip.Without(t, "the right to mount a tmpfs: %v", err)
	}
	shardtest.Check(t, err)
	defer d.Close()
	memory.Store(1<<20 - 1)
	testtime.Eventually(t, "memory to be scarce", func() bool { return !d.Room(0) })
	memory.Store(1 << 20)
	testtime.Eventually(t, "memory not to be scarce", func() bool { return d.Room(0) })
	var none *Disk
	if none.Room(0) || none.Begin().Lacked(true) {
		t.Error("no disk has room, or was full")
	}
}

// A disk that a program still uses is unmounted, and no mount can be made where there is no directory.
func TestClose(t *testing.T) {
	shardtest.NeedRoot(t)
	dir := t.TempDir()
	plenty := func() int64 { return 1 << 30 }
	d, err := mount(dir, plenty, 0)
	if errors.Is(err, unix.EPERM) {
		skip.Without(t, "the right to mount a tmpfs: %v", err)
	}
	shardtest.Check(t, err)
	f, err := os.Create(filepath.Join(dir, "file"))
	shardtest.Check(t, err)
	defer f.Close()
	shardtest.Check(t, d.Close())
	if _, err := os.Stat(filepath.Join(dir, "file")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close its file is there: %v", err)
	}
	if _, err := mount(filepath.Join(dir, "none"), plenty, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("mounted at no directory: %v", err)
	}
}
