package overlay

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/view"
	"github.com/shardfs/shardfs/pack"
)

// ptr returns a pointer to a value, as the fields of a Change are.
func ptr[T any](v T) *T { return &v }

// SetAttr sets only the given attributes, however the file is open, and also after its last name was deleted.
func TestSetAttr(t *testing.T) {
	mtime := unix.Timespec{Sec: 1234567890, Nsec: 5}
	for _, tt := range []struct {
		name    string
		prepare func(h *hand) view.Ino
	}{
		{"of the shard", func(h *hand) view.Ino { return h.ino("a/sample.x") }},
		{"of the shard, open", func(h *hand) view.Ino {
			ino := h.ino("a/sample.x")
			shardtest.Check(h.t, h.Open(ino, false, false))
			return ino
		}},
		{"of the shard, open and deleted", func(h *hand) view.Ino {
			ino := h.ino("a/sample.x")
			shardtest.Check(h.t, h.Open(ino, false, false))
			h.rm("a/sample.x")
			return ino
		}},
		{"new", func(h *hand) view.Ino { h.write("a/new", "a.x"); return h.ino("a/new") }},
		{"new, open", func(h *hand) view.Ino {
			h.write("a/new", "a.x")
			ino := h.ino("a/new")
			shardtest.Check(h.t, h.Open(ino, true, false))
			return ino
		}},
		{"new, open for reading only", func(h *hand) view.Ino {
			h.write("a/new", "a.x")
			ino := h.ino("a/new")
			shardtest.Check(h.t, h.Open(ino, false, false))
			h.nodes[ino].readOnly = true
			return ino
		}},
		{"new, open and deleted", func(h *hand) view.Ino {
			h.write("a/new", "a.x")
			ino := h.ino("a/new")
			shardtest.Check(h.t, h.Open(ino, true, false))
			h.rm("a/new")
			return ino
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHand(t, shardtest.Open(t, "a.x"))
			ino := tt.prepare(h)
			before, err := h.Stat(ino)
			shardtest.Check(t, err)
			a, err := h.SetAttr(ino, Change{Mode: ptr(uint32(0o640)), Mtime: &mtime})
			shardtest.Check(t, err)
			want := before
			want.Mode, want.Mtime = before.Mode&unix.S_IFMT|0o640, time.Unix(mtime.Unix())
			if a.Mode != want.Mode || !a.Mtime.Equal(want.Mtime) || a.Size != 3 || a.Nlink != want.Nlink ||
				a.Uid != want.Uid {
				t.Errorf("after a change of mode and time: %+v, want %+v", a, want)
			}
			a, err = h.SetAttr(ino, Change{Size: ptr(int64(1)), Atime: &mtime})
			if err != nil || a.Size != 1 || !a.Atime.Equal(want.Mtime) {
				t.Errorf("after a change of the size: %+v, %v", a, err)
			}
			if a, err = h.SetAttr(ino, Change{Size: ptr(int64(0))}); err != nil || a.Size != 0 {
				t.Errorf("after it was emptied: %+v, %v", a, err)
			}
		})
	}
}

// Attributes of a deleted directory and a deleted link, which processes may still use, can be read and changed.
func TestSetAttrDeleted(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x", "b.x"))
	ofShard := h.ino("b")
	h.rm("b")
	h.mkdir("a/new")
	dir := h.ino("a/new")
	h.rm("a/new")
	link, err := h.Symlink(h.ino("a"), "link", "target", me)
	shardtest.Check(t, err)
	h.rm("a/link")
	for _, ino := range []view.Ino{ofShard, dir, link.Ino} {
		a, err := h.SetAttr(ino, Change{
			Mode: ptr(uint32(0o711)), Uid: ptr(uint32(12)), Gid: ptr(uint32(34)),
			Atime: &unix.Timespec{Nsec: unix.UTIME_NOW}, Mtime: &unix.Timespec{Sec: 1},
		})
		if err != nil || a.Mode&0o7777 != 0o711 || a.Uid != 12 || a.Gid != 34 || a.Mtime.Unix() != 1 || a.Nlink != 0 {
			t.Errorf("%d: %+v, %v", ino, a, err)
		}
		if now, err := h.Stat(ino); err != nil || now != a {
			t.Errorf("%d: then %+v, %v, want %+v", ino, now, err, a)
		}
	}
	if _, err := h.Stat(view.FirstOther + 1000); err != unix.ESTALE {
		t.Errorf("a number that was never given: %v, want ESTALE", err)
	}
}

// Owners are set as root, and a directory with the setgid bit passes on its group.
func TestOwners(t *testing.T) {
	shardtest.NeedRoot(t)
	h := newHand(t, shardtest.Open(t, "a.x"))
	a, err := h.SetAttr(h.ino("a"), Change{Uid: ptr(uint32(12)), Mode: ptr(uint32(0o2755))})
	if err != nil || a.Uid != 12 || a.Gid != me.Gid {
		t.Errorf("chown: %+v, %v", a, err)
	}
	a, err = h.SetAttr(h.ino("a"), Change{Gid: ptr(uint32(34)), Mode: ptr(uint32(0o2755))})
	if err != nil || a.Uid != 12 || a.Gid != 34 {
		t.Errorf("chgrp: %+v, %v", a, err)
	}
	a, err = h.Mkdir(h.ino("a"), "dir", 0o755, Owner{56, 78})
	if err != nil || a.Uid != 56 || a.Gid != 34 || a.Mode&0o7777 != 0o2755 {
		t.Errorf("mkdir: %+v, %v", a, err)
	}
	a, err = h.Mknod(h.ino("a"), "file", unix.S_IFREG|0o4755, 0, Owner{56, 78})
	if err != nil || a.Uid != 56 || a.Gid != 34 || a.Mode&0o7777 != 0o4755 {
		t.Errorf("mknod: %+v, %v", a, err)
	}
}

// A whiteout cannot be made by name, as it would hide what is in the shard; a link is read.
func TestMknodSymlink(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x"))
	dir := h.ino("a")
	if _, err := h.Mknod(dir, "w", unix.S_IFCHR, 0, me); err != unix.EPERM {
		t.Errorf("a whiteout: %v, want EPERM", err)
	}
	link, err := h.Symlink(dir, "link", "../b/sample.x", me)
	shardtest.Check(t, err)
	if target, err := h.Readlink(link.Ino); err != nil || target != "../b/sample.x" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if _, err := h.Readlink(h.ino("a/sample.x")); err != unix.EINVAL {
		t.Errorf("readlink of a file: %v, want EINVAL", err)
	}
	for _, name := range []string{"link", "sample.x", "__key__"} {
		if _, err := h.Mkdir(dir, name, 0o755, me); err != unix.EEXIST {
			t.Errorf("mkdir %s: %v, want EEXIST", name, err)
		}
	}
	if _, err := h.Create(h.ino("a/sample.x"), "x", 0o644, me); err != unix.ENOTDIR {
		t.Errorf("create in a file: %v, want ENOTDIR", err)
	}
	if _, err := h.Lookup(dir, strings.Repeat("x", 256)); err != unix.ENAMETOOLONG {
		t.Errorf("look up a long name: %v, want ENAMETOOLONG", err)
	}
}

// Changed files can be synced and preallocated, and their file system described.
func TestSyncAllocate(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x", "b.x"))
	h.write("a/new", "new")
	unchanged, dir, file := h.ino("b"), h.ino("a"), h.ino("a/new")
	for _, ino := range []view.Ino{unchanged, dir, view.Root} {
		if err := h.SyncDir(ino); err != nil {
			t.Errorf("sync of directory %d: %v", ino, err)
		}
	}
	if err := h.Sync(h.ino("b/sample.x")); err != nil {
		t.Errorf("sync of a file of the shard: %v", err)
	}
	if err := h.Allocate(file, 0, 0, 100); err != unix.EBADF {
		t.Errorf("allocate in a file that is not open: %v", err)
	}
	if h.File(file) != nil {
		t.Error("a file that is not open has one")
	}
	buf := make([]byte, 10)
	if n, err := h.ReadAt(t.Context(), file, buf, 1); err != nil || string(buf[:n]) != "ew" {
		t.Errorf("a file that is not open holds %q, %v", buf[:n], err)
	}
	shardtest.Check(t, h.Open(file, true, false))
	defer h.Release(file)
	if err := h.Allocate(file, 0, 0, 100); err != nil && err != unix.EOPNOTSUPP {
		t.Errorf("allocate: %v", err)
	}
	if err := h.Sync(file); err != nil || h.File(file) == nil {
		t.Errorf("sync: %v", err)
	}
	if _, err := h.WriteAt(unchanged, buf, 0); err != unix.EBADF {
		t.Errorf("write to what is not open: %v", err)
	}
	if err := h.Open(dir, true, false); err != unix.EISDIR {
		t.Errorf("open of a directory: %v, want EISDIR", err)
	}
	var here unix.Statfs_t
	shardtest.Check(t, unix.Statfs(h.scratch.Dir, &here))
	if st, err := h.Statfs(); err != nil || st.Blocks != here.Blocks {
		t.Errorf("the file system is %+v, %v, want %+v", st, err, here)
	}
	if !h.IsSample(unchanged) || !h.IsSample(dir) || h.IsSample(view.Root) || h.IsSample(file) {
		t.Error("IsSample is wrong")
	}
}

// Directories and files are not deleted or replaced as the other.
func TestWrongKind(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x", "b.x"))
	a := h.ino("a")
	for name, err := range map[string]error{
		"unlink a directory":             h.Unlink(view.Root, "a"),
		"rename a file over a directory": h.Rename(a, "sample.x", view.Root, "b", false),
	} {
		if err != unix.EISDIR {
			t.Errorf("%s: %v, want EISDIR", name, err)
		}
	}
	for name, err := range map[string]error{
		"rmdir of a file":                h.Rmdir(a, "sample.x"),
		"rename a directory over a file": h.Rename(view.Root, "b", a, "sample.x", false),
	} {
		if err != unix.ENOTDIR {
			t.Errorf("%s: %v, want ENOTDIR", name, err)
		}
	}
	for name, err := range map[string]error{
		"rmdir": h.Rmdir(view.Root, "a"), "rename over": h.Rename(view.Root, "b", view.Root, "a", false),
	} {
		if err != unix.ENOTEMPTY {
			t.Errorf("%s of a full directory: %v, want ENOTEMPTY", name, err)
		}
	}
	for name, err := range map[string]error{
		"unlink": h.Unlink(a, "missing"), "rmdir": h.Rmdir(a, "missing"),
		"rename": h.Rename(a, "missing", a, "x", false),
	} {
		if err != unix.ENOENT {
			t.Errorf("%s of nothing: %v, want ENOENT", name, err)
		}
	}
	if err := h.Rename(a, "sample.x", a, "__key__", true); err != unix.EEXIST {
		t.Errorf("rename without replacing: %v, want EEXIST", err)
	}
}

// A path that is longer than a system call takes is opened piece by piece.
func TestLongPath(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x"))
	name := strings.Repeat("n", 200)
	dir := h.ino("a")
	for range 30 {
		a, err := h.Mkdir(dir, name, 0o755, me)
		shardtest.Check(t, err)
		dir = a.Ino
	}
	f, err := h.Create(dir, "file", 0o644, me)
	shardtest.Check(t, err)
	_, err = h.WriteAt(f.Ino, []byte("deep"), 0)
	shardtest.Check(t, err)
	h.Release(f.Ino)
	path := "a/" + strings.Repeat(name+"/", 30) + "file"
	if got := h.read(path); got != "deep" {
		t.Errorf("%d bytes deep there is %q", len(path), got)
	}
	changes := describe(t, h.o)
	if len(changes) != 31 || !slices.Contains(changes, "A "+path) {
		t.Errorf("%d changes, want 31 with the file", len(changes))
	}
}

// A sample whose files have no permissions can still be read.
func TestReadWithoutRights(t *testing.T) {
	dir := t.TempDir()
	sh := shardtest.Open(t, "a.x")
	shardtest.AsUser(t, dir, func() {
		h := newHandIn(t, sh, filepath.Join(dir, "scratch"))
		defer h.close()
		h.write("a/closed", "closed file")
		h.mkdir("a/dir")
		h.write("a/dir/inner", "inner file")
		for _, name := range []string{"a/closed", "a/dir/inner", "a/dir"} {
			_, err := h.SetAttr(h.ino(name), Change{Mode: ptr(uint32(0))})
			shardtest.Check(t, err)
		}
		f, _, err := h.o.SampleDir(0)
		shardtest.Check(t, err)
		for file, want := range map[*pack.DirFile]string{
			&f.Files[0]: "closed file", &f.Dirs[0].Files[0]: "inner file",
		} {
			opened, err := file.Open()
			shardtest.Check(t, err)
			if got, err := io.ReadAll(opened); err != nil || string(got) != want {
				t.Errorf("%s holds %q, %v", file.Name, got, err)
			}
			opened.Close()
		}
		if got := h.read("a/dir/inner"); got != "inner file" {
			t.Errorf("through the tree, the inner file holds %q", got)
		}
	})
}
