package overlay

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("SKIPPED, NOT TESTED: %s needs root", t.Name())
	}
}

// What was changed is there when the scratch is opened again, by whatever process.
func TestContinue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	sh := newShard(t, "a.x", "b.x", "c/d.x")
	h := newHandIn(t, sh, dir)
	if changed, err := h.scratch.HasChanges(); changed || err != nil {
		t.Errorf("a new scratch has changes: %v, %v", changed, err)
	}
	h.write("a/sample.x", "changed")
	h.rm("b")
	h.mv("c", "moved")
	h.close()
	check(t, os.WriteFile(filepath.Join(dir, "work", "leftover"), nil, 0o000))
	check(t, os.MkdirAll(filepath.Join(dir, "work", "left", "over"), 0o700))
	h = newHandIn(t, sh, dir)
	if got := h.read("a/sample.x") + " " + h.read("moved/d/sample.x"); got != "changed c/d.x" {
		t.Errorf("opened again, the files hold %q", got)
	}
	if _, err := h.Lookup(view.Root, "b"); err != unix.ENOENT {
		t.Errorf("opened again, b is there: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "work")); err != nil || len(left) > 0 {
		t.Errorf("left in the work directory: %v, %v", left, err)
	}
	s, err := OpenScratch(dir)
	check(t, err)
	if !s.InUse() || s.Temporary() || s.Mountpoint() != "" || s.ShardName() != sh.Name {
		t.Errorf("the scratch says of itself %+v, in use %v", s.note, s.InUse())
	}
	check(t, s.MarkPacked("stamp"))
	h.close()
	if s, err = OpenScratch(dir); err != nil || s.InUse() || !s.Packed("stamp") || s.Packed("other") {
		t.Errorf("closed, the scratch says of itself %+v, in use %v, %v", s.note, s.InUse(), err)
	}
}

// A directory that is not ours to change, or not now, is refused, and what is in it stays.
func TestRefused(t *testing.T) {
	sh := newShard(t, "a.x")
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    error
		text    string
	}{
		{"in use", func(t *testing.T, dir string) { newHandIn(t, sh, dir) }, ErrInUse, ""},
		{"not empty", func(t *testing.T, dir string) {
			check(t, os.MkdirAll(filepath.Join(dir, "precious"), 0o755))
		}, ErrScratch, "not empty"},
		{"another user's", func(t *testing.T, dir string) {
			needRoot(t)
			check(t, os.Mkdir(dir, 0o777))
			check(t, os.Chown(dir, 1234, 1234))
		}, ErrScratch, "another user"},
		{"another user's scratch", func(t *testing.T, dir string) {
			needRoot(t)
			newHandIn(t, sh, dir).close()
			check(t, os.Chown(dir, 1234, 1234))
		}, ErrScratch, "another user"},
		{"a file", func(t *testing.T, dir string) { check(t, os.WriteFile(dir, nil, 0o600)) }, ErrScratch, "no directory"},
		{"a link", func(t *testing.T, dir string) { check(t, os.Symlink(t.TempDir(), dir)) }, ErrScratch, "no directory"},
		{"of another version", func(t *testing.T, dir string) {
			newHandIn(t, sh, dir).close()
			check(t, os.WriteFile(filepath.Join(dir, "note.json"), []byte(`{"version":99}`), 0o600))
		}, ErrScratch, "version"},
		{"with a lock that is a link", func(t *testing.T, dir string) {
			check(t, os.Mkdir(dir, 0o700))
			check(t, os.Symlink("/dev/null", filepath.Join(dir, "lock")))
		}, unix.ELOOP, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "scratch")
			tt.prepare(t, dir)
			s, err := CreateScratch(dir, false)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("CreateScratch: %v, want %v: %s", err, tt.want, tt.text)
			}
		})
	}
}

// Changes over one shard are not changes over another.
func TestForeign(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	sh := newShard(t, "a.x")
	newHandIn(t, sh, dir).close()
	other := newShard(t, "b.x", "c.x")
	h := newHandIn(t, other, dir) // there are no changes yet
	h.write("b/sample.x", "changed")
	h.close()
	s, err := CreateScratch(dir, false)
	check(t, err)
	defer s.Close()
	if err := s.Bind(sh, ""); !errors.Is(err, ErrForeign) {
		t.Errorf("another shard: %v, want ErrForeign", err)
	}
	check(t, s.Bind(other, ""))
	// The shard itself, rewritten, is another one too.
	check(t, os.WriteFile(other.Name, []byte("rewritten"), 0o644))
	if _, err := s.OpenShard(t.Context()); err == nil {
		t.Error("a rewritten shard was opened")
	}
}

func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	check(t, os.Mkdir(dir, 0o777))
	check(t, os.Chmod(dir, 0o777))
	newHandIn(t, newShard(t, "a.x"), dir)
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the scratch directory is %v, %v", st.Mode(), err)
	}
}

// Temporary directories of dead processes are swept, but for those with changes, and those of the living.
func TestSweep(t *testing.T) {
	sh := newShard(t, "a.x")
	temp := t.TempDir()
	bound := func() *hand {
		s, err := CreateScratch(temp, true)
		check(t, err)
		check(t, s.Bind(sh, ""))
		o, err := New(s, sh)
		check(t, err)
		tree, err := NewTree(o)
		check(t, err)
		h := &hand{t, tree, s}
		t.Cleanup(h.close)
		return h
	}
	living, changed, empty := bound(), bound(), bound()
	changed.write("a/sample.x", "changed")
	changed.close()
	empty.close()
	unbound, err := CreateScratch(temp, true)
	check(t, err)
	check(t, unbound.Close())
	for _, tt := range []struct {
		name  string
		s     *Scratch
		stays bool
	}{{"living", living.scratch, true}, {"changed", changed.scratch, true}, {"empty", empty.scratch, false}, {"unbound", unbound, false}} {
		detached := false
		err := Sweep(tt.s.Dir, false, func(dir string) error {
			detached = dir == tt.s.Dir
			return nil
		})
		_, statErr := os.Stat(tt.s.Dir)
		if err != nil || (statErr == nil) != tt.stays || detached == tt.stays {
			t.Errorf("%s: Sweep: %v, and then %v, detached %v", tt.name, err, statErr, detached)
		}
	}
}

// A file system that cannot keep what overlayfs keeps is refused, and the error says why.
func TestFileSystemsWithoutMarks(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "ramfs", 0, ""); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %s mounts a ramfs: %v", t.Name(), err)
	}
	defer unix.Unmount(dir, 0)
	s, err := CreateScratch(filepath.Join(dir, "scratch"), false)
	check(t, err)
	defer s.Close()
	sh := newShard(t, "a.x")
	check(t, s.Bind(sh, ""))
	o, err := New(s, sh)
	check(t, err)
	defer o.Close()
	if _, err := NewTree(o); !errors.Is(err, unix.ENOTSUP) || !strings.Contains(err.Error(), "extended attributes") {
		t.Errorf("NewTree: %v", err)
	}
}

// What a process has left that was killed while it made a scratch is removed after a while; what is somebody else's is not.
func TestSweepUnfinished(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mode  os.FileMode
		files []string
		age   time.Duration
		stays bool
	}{
		{"shardfs-1", 0o700, []string{"lock"}, time.Hour, false},
		{"shardfs-1", 0o700, []string{"lock", "note.json.new"}, time.Hour, false},
		{"shardfs-1", 0o700, []string{"lock"}, 0, true}, // perhaps it is just being made
		{"shardfs-2933110", 0o700, nil, time.Hour, false},
		{"shardfs-2933110", 0o700, nil, 0, true},
		{"shardfs-2933110", 0o755, nil, time.Hour, true},
		{"shardfs-results", 0o700, nil, time.Hour, true},
		{"shardfs-2026", 0o700, nil, time.Hour, true},
		{"shardfs-1", 0o700, []string{"lock", "mine.txt"}, time.Hour, true},
		{"shardfs-1", 0o700, []string{"lock", "upper"}, time.Hour, true},
	} {
		dir := filepath.Join(t.TempDir(), tt.name)
		check(t, os.Mkdir(dir, tt.mode))
		for _, name := range tt.files {
			check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		}
		then := time.Now().Add(-tt.age)
		check(t, os.Chtimes(dir, then, then))
		Sweep(dir, false, func(string) error { return nil })
		if _, err := os.Stat(dir); (err == nil) != tt.stays {
			t.Errorf("%s with %q, %v old: %v", tt.name, tt.files, tt.age, err)
		}
	}
}

// However far the removal of a scratch came, the rest is known for one: the note goes when all else has gone.
func TestRemoveNoteLast(t *testing.T) {
	s, err := CreateScratch(t.TempDir(), true)
	check(t, err)
	for name := range strings.FieldsSeq("a upper zz") {
		check(t, os.MkdirAll(filepath.Join(s.Dir, name, "sub"), 0o700))
	}
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	check(t, err)
	defer unix.Close(watch)
	_, err = unix.InotifyAddWatch(watch, s.Dir, unix.IN_DELETE)
	check(t, err)
	check(t, s.Remove())
	events := make([]byte, 4096)
	n, err := unix.Read(watch, events)
	check(t, err)
	for name := range strings.FieldsSeq("a upper zz") {
		if before, _, ok := bytes.Cut(events[:n], []byte("note.json")); !ok || !bytes.Contains(before, []byte(name+"\x00")) {
			t.Errorf("%s is not removed before the note: %q", name, events[:n])
		}
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
