package fusefs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"golang.org/x/sys/unix"
)

// These are the differences from ext4 that docs/semantics.md lists, for mounts by overlayfs and by FUSE.

func TestOverlayfsDiffers(t *testing.T) {
	needOverlay(t)
	m := mountMembers(t, withOverlay, samples(3)...)
	var dir, file unix.Stat_t
	check(t, unix.Lstat(m.path("000000"), &dir))
	check(t, unix.Lstat(m.path("000000/sample.jpg"), &file))
	if dir.Dev == file.Dev {
		t.Error("an unchanged file is on the device of its directory")
	}

	// A mapping made before the first change keeps the old content.
	f, err := os.Open(m.path("000000/sample.jpg"))
	check(t, err)
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, 6, unix.PROT_READ, unix.MAP_SHARED)
	check(t, err)
	defer unix.Munmap(mapped)
	write(t, m.path("000000/sample.jpg"), strings.Repeat("x", 600))
	if string(mapped) != "000000" {
		t.Errorf("the mapping shows %q", mapped)
	}
	buf := make([]byte, 6)
	if _, err := f.ReadAt(buf, 0); err != nil || string(buf) != "xxxxxx" {
		t.Errorf("a read shows %q, %v", buf, err)
	}

	// A member that was deleted while it is open can only be read.
	g, err := os.Open(m.path("000001/sample.jpg"))
	check(t, err)
	defer g.Close()
	check(t, os.Remove(m.path("000001/sample.jpg")))
	if _, err := g.ReadAt(buf, 0); err != nil || string(buf) != "000001" {
		t.Errorf("a deleted member that is open holds %q, %v", buf, err)
	}
	if err := g.Chmod(0o600); err == nil {
		t.Error("its mode can be changed")
	}
}

// User extended attributes are kept with the changes by overlayfs, and refused by FUSE, as by a file system without
// them.
func TestXattr(t *testing.T) {
	withChanges(t, func(t *testing.T, kind string) {
		m := mountMembers(t, kind, samples(1)...)
		name := m.path("000000/sample.jpg")
		err := unix.Setxattr(name, "user.note", []byte("mine"), 0)
		value := make([]byte, 10)
		switch {
		case kind == withFUSE && !errors.Is(err, unix.EOPNOTSUPP):
			t.Errorf("set: %v", err)
		case kind == withOverlay && errors.Is(err, unix.EOPNOTSUPP):
			skip.Without(t, "attributes of users in %s", filepath.Dir(m.scratch))
		case kind == withOverlay:
			check(t, err)
			m.restart()
			n, err := unix.Getxattr(name, "user.note", value)
			if err != nil || string(value[:n]) != "mine" {
				t.Errorf("get: %q, %v", value[:max(n, 0)], err)
			}
		}
	})
}

// Locks, free space and preallocation work as in any file system.
func TestLocksAndSpace(t *testing.T) {
	withChanges(t, func(t *testing.T, kind string) {
		m := mountMembers(t, kind, samples(1)...)
		f, err := os.OpenFile(m.path("000000/sample.jpg"), os.O_RDWR, 0)
		check(t, err)
		defer f.Close()
		g, err := os.OpenFile(m.path("000000/sample.jpg"), os.O_RDWR, 0)
		check(t, err)
		defer g.Close()
		check(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
		if err := unix.Flock(int(g.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
			t.Errorf("a second lock: %v", err)
		}
		lock := unix.Flock_t{Type: unix.F_WRLCK, Len: 10}
		check(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock))
		if err := unix.FcntlFlock(g.Fd(), unix.F_OFD_SETLK, &lock); err != unix.EAGAIN && err != unix.EACCES {
			t.Errorf("a second lock of a range: %v", err)
		}
		check(t, unix.Fallocate(int(f.Fd()), 0, 0, 10_000))
		if st, err := f.Stat(); err != nil || st.Size() != 10_000 {
			t.Errorf("after fallocate the size is %d, %v", st.Size(), err)
		}
		var here, scratch unix.Statfs_t
		check(t, unix.Statfs(m.dir, &here))
		check(t, unix.Statfs(m.scratch, &scratch))
		if here.Blocks != scratch.Blocks || here.Bavail == 0 {
			t.Errorf("df shows %d blocks, %d free; the scratch has %d", here.Blocks, here.Bavail, scratch.Blocks)
		}
		if out := m.sh("", "du -s --apparent-size -B1 000000/sample.cls | cut -f1"); out != "1\n" {
			t.Errorf("du of a file of 1 byte: %q", out)
		}
	})
}

// A file that was opened unchanged is served by the server until it is closed, even if it is changed meanwhile; opened
// again, the kernel reads and writes it without requests.
func TestPassthrough(t *testing.T) {
	needRoot(t)
	t.Setenv(traceVariable, "1")
	m := mountMembers(t, withFUSE, member{"a.txt", "as in the shard"})
	name := m.path("a/sample.txt")
	reader, err := os.Open(name)
	check(t, err)
	content := func() string {
		t.Helper()
		buf := make([]byte, 100)
		n, err := reader.ReadAt(buf, 0)
		if n == 0 {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	if got := content(); got != "as in the shard" {
		t.Errorf("it holds %q", got)
	}
	m.held = 1
	m.requests()
	write(t, name, "changed while it was open")
	if got := content(); got != "changed while it was open" {
		t.Errorf("a process that has it open reads %q", got)
	}
	if got := m.requests(); !strings.Contains(got, "WRITE 1") {
		t.Errorf("it was written by %q, want one WRITE", got)
	}
	check(t, reader.Close())
	m.held = 0
	m.requests() // returns when the server has the RELEASE
	write(t, name, "changed while it was closed")
	if got := read(t, name); got != "changed while it was closed" {
		t.Errorf("it holds %q", got)
	}
	if got := m.requests(); strings.Contains(got, "WRITE") || strings.Contains(got, "READ ") {
		t.Errorf("it was written and read by %q, want neither WRITE nor READ", got)
	}
	m.restart()
	if got := read(t, name); got != "changed while it was closed" {
		t.Errorf("mounted again, it holds %q", got)
	}
}
