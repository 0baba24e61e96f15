package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/view"
)

// me is the owner of files that tests make.
var me = Owner{uint32(os.Geteuid()), uint32(os.Getegid())}

// hand works in a tree by paths, as the kernel would on behalf of a command.
type hand struct {
	t testing.TB
	*Tree
	scratch *scratch.Scratch
}

// newHand returns a hand in the tree of a shard over a new scratch directory.
func newHand(t testing.TB, sh *shard.Shard) *hand {
	t.Helper()
	return newHandIn(t, sh, filepath.Join(t.TempDir(), "scratch"))
}

func newHandIn(t testing.TB, sh *shard.Shard, dir string) *hand {
	t.Helper()
	s, err := scratch.Create(dir)
	shardtest.Check(t, err)
	shardtest.Check(t, s.Bind(sh, ""))
	o, err := New(s, sh)
	shardtest.Check(t, err)
	tree, err := NewTree(o)
	shardtest.Check(t, err)
	h := &hand{t, tree, s}
	t.Cleanup(h.close)
	return h
}

func (h *hand) close() {
	if h.Tree != nil {
		shardtest.Check(h.t, errors.Join(h.Tree.Close(), h.o.Close(), h.scratch.Close()))
		h.Tree = nil
	}
}

// find returns the directory and name for a path.
func (h *hand) find(path string) (view.Ino, string) {
	h.t.Helper()
	dir, base := filepath.Split(path)
	ino := view.Root
	for _, name := range strings.Split(strings.TrimSuffix(dir, "/"), "/") {
		if name != "" {
			a, err := h.Lookup(ino, name)
			if err != nil {
				h.t.Fatalf("%s: %v", path, err)
			}
			ino = a.Ino
		}
	}
	return ino, base
}

func (h *hand) ino(path string) view.Ino {
	h.t.Helper()
	a, err := h.Lookup(h.find(path))
	if err != nil {
		h.t.Fatalf("%s: %v", path, err)
	}
	return a.Ino
}

// write makes a file, or replaces its content.
func (h *hand) write(path, content string) {
	h.t.Helper()
	dir, name := h.find(path)
	a, err := h.Lookup(dir, name)
	if err == unix.ENOENT {
		a, err = h.Create(dir, name, 0o644, me)
	} else if err == nil {
		err = h.Open(a.Ino, true, true)
	}
	shardtest.Check(h.t, err)
	_, err = h.WriteAt(a.Ino, []byte(content), 0)
	shardtest.Check(h.t, err)
	h.Release(a.Ino)
}

func (h *hand) read(path string) string {
	h.t.Helper()
	ino := h.ino(path)
	shardtest.Check(h.t, h.Open(ino, false, false))
	defer h.Release(ino)
	buf := make([]byte, 1000)
	n, err := h.ReadAt(context.Background(), ino, buf, 0)
	shardtest.Check(h.t, err)
	return string(buf[:n])
}

func (h *hand) mkdir(path string) {
	h.t.Helper()
	dir, name := h.find(path)
	_, err := h.Mkdir(dir, name, 0o755, me)
	shardtest.Check(h.t, err)
}

func (h *hand) mv(from, to string) {
	h.t.Helper()
	fromDir, fromName := h.find(from)
	toDir, toName := h.find(to)
	shardtest.Check(h.t, h.Rename(fromDir, fromName, toDir, toName, false))
}

// rm deletes a file or directory, with all that is in it.
func (h *hand) rm(path string) {
	h.t.Helper()
	dir, name := h.find(path)
	a, err := h.Lookup(dir, name)
	shardtest.Check(h.t, err)
	if a.Mode&unix.S_IFMT != unix.S_IFDIR {
		shardtest.Check(h.t, h.Unlink(dir, name))
		return
	}
	var in []string
	shardtest.Check(h.t, h.List(a.Ino).Entries(0, func(e view.DirEntry) bool {
		in = append(in, e.Name)
		return true
	}))
	for _, e := range in {
		h.rm(path + "/" + e)
	}
	shardtest.Check(h.t, h.Rmdir(dir, name))
}

// A name is not renamed over another name of the same file: both stay.
func TestRenameToItself(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x"))
	dir := h.ino("a")
	_, err := h.Link(h.ino("a/sample.x"), dir, "b")
	shardtest.Check(t, err)
	h.mv("a/b", "a/sample.x")
	h.mv("a/sample.x", "a/sample.x")
	if got := h.read("a/sample.x") + h.read("a/b"); got != "a.xa.x" {
		t.Errorf("the two names hold %q", got)
	}
	if err := h.Rename(dir, "b", dir, "sample.x", true); err != unix.EEXIST {
		t.Errorf("without replacing: %v", err)
	}
}

// An open file of the shard shows what is written to it later, and keeps its content when it is deleted.
func TestOpenFiles(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x", "a.y", "b.x"))
	changed, deleted := h.ino("a/sample.x"), h.ino("a/sample.y")
	shardtest.Check(t, h.Open(changed, false, false))
	shardtest.Check(t, h.Open(deleted, false, false))
	h.write("a/sample.x", "changed")
	h.rm("a/sample.y")
	h.write("a/sample.y", "another")
	for ino, want := range map[view.Ino]string{changed: "changed", deleted: "a.y"} {
		buf := make([]byte, 100)
		n, err := h.ReadAt(t.Context(), ino, buf, 0)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("an open file holds %q, %v, want %q", buf[:n], err, want)
		}
	}
	if a, err := h.Stat(deleted); err != nil || a.Nlink != 0 {
		t.Errorf("a deleted file has %d links, %v", a.Nlink, err)
	}
	// Opened again, as through /proc, it can be changed, and only its users see it.
	shardtest.Check(t, h.Open(deleted, true, false))
	_, err := h.WriteAt(deleted, []byte("b"), 0)
	shardtest.Check(t, err)
	buf := make([]byte, 100)
	if n, err := h.ReadAt(t.Context(), deleted, buf, 0); err != nil || string(buf[:n]) != "b.y" {
		t.Errorf("a deleted file that was changed holds %q, %v", buf[:n], err)
	}
	if a, err := h.Stat(deleted); err != nil || a.Nlink != 0 || a.Size != 3 {
		t.Errorf("a deleted file that was changed: %v, %v", a, err)
	}
	h.Release(deleted)
	h.Release(changed)
	h.Release(deleted)
	if len(h.opens) > 0 {
		t.Errorf("open after all were released: %v", h.opens)
	}
	if got := h.read("a/sample.y"); got != "another" {
		t.Errorf("a/sample.y holds %q", got)
	}
}

// A file that was opened only for reading is opened again for writing.
func TestReopenForWriting(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x"))
	h.write("a/new", "old content")
	ino := h.ino("a/new")
	shardtest.Check(t, h.Open(ino, false, false))
	n := h.nodes[ino]
	fd, err := h.o.upper.open("a/new", unix.O_RDONLY, 0) // as root always gets the right to write
	shardtest.Check(t, err)
	shardtest.Check(t, errors.Join(unix.Dup3(fd, int(n.file.Fd()), unix.O_CLOEXEC), unix.Close(fd)))
	n.readOnly = true
	shardtest.Check(t, h.Open(ino, true, false))
	_, err = h.WriteAt(ino, []byte("NEW"), 0)
	shardtest.Check(t, err)
	h.Release(ino)
	h.Release(ino)
	if got := h.read("a/new"); got != "NEW content" {
		t.Errorf("a/new holds %q", got)
	}
}

// A copy of a file of the shard that fails leaves nothing.
func TestFailedChange(t *testing.T) {
	sh := shardtest.Open(t, "a.x", "b.x")
	h := newHand(t, sh)
	ino := h.ino("b/sample.x")
	shardtest.Check(t, os.Truncate(sh.Name, 512))
	if err := h.Open(ino, true, false); !errors.Is(err, view.ErrShard) {
		t.Errorf("open a file whose content is lost: %v, want view.ErrShard", err)
	}
	if _, err := h.SetAttr(ino, Change{Mode: new(uint32)}); !errors.Is(err, view.ErrShard) {
		t.Errorf("chmod of a file whose content is lost: %v, want view.ErrShard", err)
	}
	if err := h.Rename(h.ino("b"), "sample.x", view.Root, "x", false); !errors.Is(err, view.ErrShard) {
		t.Errorf("rename of a file whose content is lost: %v, want view.ErrShard", err)
	}
	if _, err := h.Link(ino, view.Root, "x"); !errors.Is(err, view.ErrShard) {
		t.Errorf("link to a file whose content is lost: %v, want view.ErrShard", err)
	}
	for _, dir := range []string{"upper", "work"} {
		left, err := os.ReadDir(filepath.Join(h.scratch.Dir, dir))
		shardtest.Check(t, err)
		if len(left) > 0 {
			t.Errorf("%s holds %v", dir, left)
		}
	}
	shardtest.Check(t, h.Open(ino, true, true)) // the old content is not needed
	h.Release(ino)
}

// A link that a user has put into the scratch directory is not followed.
func TestNoLinkIsFollowed(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x", "d/b.x"))
	outside := t.TempDir()
	shardtest.Check(t, os.WriteFile(filepath.Join(outside, "f"), []byte("outside"), 0o644))
	shardtest.Check(t, os.Symlink(outside, filepath.Join(h.scratch.Dir, "upper", "d")))
	shardtest.Check(t, os.Symlink(filepath.Join(outside, "f"), filepath.Join(h.scratch.Dir, "upper", "link")))
	d := view.DirIno(h.o.Shard.Index.DirOf(1))
	if _, err := h.Create(d, "new", 0o644, me); err == nil {
		t.Error("a file was made beyond a link")
	}
	link := h.ino("link")
	if err := h.Open(link, true, true); err == nil {
		t.Error("a link was opened")
	}
	mode := uint32(0o777)
	h.SetAttr(link, Change{Mode: &mode})
	h.rm("link")
	h.rm("d")
	st, err := os.Stat(filepath.Join(outside, "f"))
	shardtest.Check(t, err)
	content, err := os.ReadFile(filepath.Join(outside, "f"))
	if err != nil || st.Mode() != 0o644 || string(content) != "outside" {
		t.Errorf("the file outside is %v and holds %q, %v", st.Mode(), content, err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Errorf("outside there is %v, %v", left, err)
	}
}

// BenchmarkWalk looks up everything in a shard of 200 000 samples, and measures the memory that the tree keeps.
func BenchmarkWalk(b *testing.B) {
	const n = 200_000
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("%06d.x", i)
	}
	h := newHand(b, shardtest.Open(b, members...))
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	before := heap()
	for b.Loop() {
		shardtest.Check(b, h.List(view.Root).Entries(0, func(e view.DirEntry) bool {
			a, err := h.Lookup(view.Root, e.Name)
			shardtest.Check(b, err)
			for _, name := range []string{"__key__", "sample.x"} {
				_, err = h.Lookup(a.Ino, name)
				shardtest.Check(b, err)
			}
			return true
		}))
	}
	b.ReportMetric(heap()-before, "MiB-kept")
	b.ReportMetric(3*n*float64(b.N)/b.Elapsed().Seconds(), "lookups/s")
	runtime.KeepAlive(h)
}
