package scratch

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// create makes or continues a scratch directory and closes it when the test ends.
func create(t testing.TB, dir string) *Scratch {
	t.Helper()
	s, err := Create(dir)
	shardtest.Check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// change makes a change in a scratch directory.
func change(t testing.TB, s *Scratch) {
	t.Helper()
	shardtest.Check(t, os.MkdirAll(filepath.Join(s.Upper(), "a"), 0o755))
}

// A scratch directory has everything that was recorded, also while another process holds it.
func TestRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	sh := shardtest.Open(t, "a.x")
	held := create(t, dir)
	if changed, err := held.HasChanges(); changed || err != nil {
		t.Errorf("a new scratch directory has changes: %v, %v", changed, err)
	}
	shardtest.Check(t, held.Bind(sh, "/mnt"))
	change(t, held)
	if changed, err := held.HasChanges(); !changed || err != nil {
		t.Errorf("a change is not seen: %v, %v", changed, err)
	}
	s, err := Open(dir)
	shardtest.Check(t, err)
	if !s.InUse() || !IsLive(dir) || s.Kind() != Kept || s.Mountpoint() != "/mnt" ||
		s.manifest.name != sh.Name {
		t.Errorf("the manifest is %+v, in use %v", s.manifest, s.InUse())
	}
	if s.ServedByKernel() {
		t.Error("a mount is served by the kernel before that is recorded")
	}
	shardtest.Check(t, held.SetServedByKernel())
	if s, err = Open(dir); err != nil || !s.ServedByKernel() {
		t.Errorf("not served by the kernel after that was recorded: %v", err)
	}
	shardtest.Check(t, held.Bind(sh, "/mnt"))
	if s, err = Open(dir); err != nil || s.ServedByKernel() {
		t.Errorf("served by the kernel after it was bound again: %v", err)
	}
	shardtest.Check(t, s.MarkPacked("stamp"))
	shardtest.Check(t, held.Close())
	if s, err = Open(dir); err != nil || s.InUse() || !s.Packed("stamp") || s.Packed("other") {
		t.Errorf("closed: the manifest is %+v, in use %v, %v", s.manifest, s.InUse(), err)
	}
}

// Create refuses a directory that it must not use, or not now, and does not change it.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    error
		text    string
	}{
		{"in use", func(t *testing.T, dir string) { create(t, dir) }, ErrInUse, ""},
		{"not empty", func(t *testing.T, dir string) {
			shardtest.Check(t, os.MkdirAll(filepath.Join(dir, "precious"), 0o755))
		}, ErrNotScratch, "not empty"},
		{"another user's", func(t *testing.T, dir string) {
			shardtest.NeedRoot(t)
			shardtest.Check(t, os.Mkdir(dir, 0o777))
			shardtest.Check(t, os.Chown(dir, 1234, 1234))
		}, ErrNotScratch, "another user"},
		{"another user's scratch", func(t *testing.T, dir string) {
			shardtest.NeedRoot(t)
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.Chown(dir, 1234, 1234))
		}, ErrNotScratch, "another user"},
		{"a file", func(t *testing.T, dir string) {
			shardtest.Check(t, os.WriteFile(dir, nil, 0o600))
		}, ErrNotScratch, "not a directory"},
		{"a link", func(t *testing.T, dir string) {
			shardtest.Check(t, os.Symlink(t.TempDir(), dir))
		}, ErrNotScratch, "not a directory"},
		{"of another version", func(t *testing.T, dir string) {
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.WriteFile(filepath.Join(dir, "note.json"), []byte(`{"version":99}`), 0o600))
		}, ErrNotScratch, "version"},
		{"with a lock that is a link", func(t *testing.T, dir string) {
			shardtest.Check(t, os.Mkdir(dir, 0o700))
			shardtest.Check(t, os.Symlink("/dev/null", filepath.Join(dir, "lock")))
		}, ErrNotScratch, "its lock"},
		{"that others could write to", func(t *testing.T, dir string) {
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.Chmod(dir, 0o770))
		}, ErrNotScratch, "other users"},
		{"with a FIFO as manifest", func(t *testing.T, dir string) {
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, unix.Mkfifo(filepath.Join(dir, manifestFile), 0o600))
		}, ErrNotScratch, "its note.json"},
		{"with a second name for its log", func(t *testing.T, dir string) {
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.WriteFile(dir+".precious", nil, 0o600))
			shardtest.Check(t, os.Link(dir+".precious", filepath.Join(dir, logFile)))
		}, ErrNotScratch, "its log"},
		{"with a link as list of shards", func(t *testing.T, dir string) {
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.WriteFile(dir+".precious", nil, 0o600))
			shardtest.Check(t, os.Symlink(dir+".precious", filepath.Join(dir, shardsFile)))
		}, ErrNotScratch, "its shards"},
		{"with a file as socket", func(t *testing.T, dir string) {
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.WriteFile(filepath.Join(dir, socketFile), nil, 0o600))
		}, ErrNotScratch, "its socket"},
		{"with a link as upper directory", func(t *testing.T, dir string) {
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.Symlink(t.TempDir(), filepath.Join(dir, upperDir)))
		}, ErrNotScratch, "its upper"},
		{"with another user's changes", func(t *testing.T, dir string) {
			shardtest.NeedRoot(t)
			shardtest.Check(t, create(t, dir).Close())
			shardtest.Check(t, os.Mkdir(filepath.Join(dir, upperDir), 0o755))
			shardtest.Check(t, os.Chown(filepath.Join(dir, upperDir), 1234, 1234))
		}, ErrNotScratch, "its upper"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "scratch")
			tt.prepare(t, dir)
			s, err := Create(dir)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Create: %v, want %v: %s", err, tt.want, tt.text)
			}
		})
	}
}

// Open and Sweep believe nothing that another user may have written, and wait for no FIFO.
func TestPlanted(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, dir, note string){
		"a FIFO": func(t *testing.T, _, note string) {
			shardtest.Check(t, os.Remove(note))
			shardtest.Check(t, unix.Mkfifo(note, 0o600))
		},
		"a link": func(t *testing.T, dir, note string) {
			shardtest.Check(t, os.Rename(note, dir+".note"))
			shardtest.Check(t, os.Symlink(dir+".note", note))
		},
		"another user's": func(t *testing.T, _, note string) {
			shardtest.NeedRoot(t)
			shardtest.Check(t, os.Chown(note, 1234, 1234))
		},
		"in an open directory": func(t *testing.T, dir, _ string) { shardtest.Check(t, os.Chmod(dir, 0o777)) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := CreateTemp(t.TempDir())
			shardtest.Check(t, err)
			shardtest.Check(t, s.Close())
			plant(t, s.Dir, filepath.Join(s.Dir, manifestFile))
			if _, err := Open(s.Dir); !errors.Is(err, ErrNotScratch) {
				t.Errorf("Open: %v", err)
			}
			if err := Sweep(s.Dir, true, func(string) error { return nil }); !errors.Is(err, ErrNotScratch) {
				t.Errorf("Sweep: %v", err)
			}
			if _, err := os.Stat(s.Dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// Changes over one shard are not changes over another.
func TestOtherShard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	sh, other := shardtest.Open(t, "a.x"), shardtest.Open(t, "b.x", "c.x")
	s := create(t, dir)
	shardtest.Check(t, s.Bind(sh, ""))
	shardtest.Check(t, s.Bind(other, "")) // there are no changes yet
	change(t, s)
	shardtest.Check(t, s.Close())
	s = create(t, dir)
	if err := s.Bind(sh, ""); !errors.Is(err, ErrOtherShard) {
		t.Errorf("another shard: %v, want ErrOtherShard", err)
	}
	shardtest.Check(t, s.Bind(other, ""))
	// The shard itself, rewritten, is another one too.
	shardtest.Check(t, os.WriteFile(other.Name, []byte("rewritten"), 0o644))
	if _, err := s.OpenShard(t.Context(), nil); err == nil {
		t.Error("a rewritten shard was opened")
	}
}

func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	shardtest.Check(t, os.Mkdir(dir, 0o777))
	shardtest.Check(t, os.Chmod(dir, 0o777))
	create(t, dir)
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the scratch directory is %v, %v", st.Mode(), err)
	}
}

// Sweep removes the temporary directories of dead processes, but none with changes of a mount, and none of a living
// one.
func TestSweep(t *testing.T) {
	sh := shardtest.Open(t, "a.x")
	temp := t.TempDir()
	bound := func() *Scratch {
		s, err := CreateTemp(temp)
		shardtest.Check(t, err)
		shardtest.Check(t, s.Bind(sh, ""))
		t.Cleanup(func() { s.Close() })
		return s
	}
	living, changed, empty, many := bound(), bound(), bound(), bound()
	change(t, changed)
	shardtest.Check(t, changed.Close())
	shardtest.Check(t, empty.Close())
	shardtest.Check(t, many.BindMany("/mnt", nil))
	shardtest.Check(t, many.Close())
	unbound, err := CreateTemp(temp)
	shardtest.Check(t, err)
	shardtest.Check(t, unbound.Close())
	for _, tt := range []struct {
		name  string
		s     *Scratch
		stays bool
	}{
		{"living", living, true}, {"changed", changed, true}, {"empty", empty, false}, {"many", many, false},
		{"unbound", unbound, false},
	} {
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

// Sweep removes what a process has left that was killed while it created a scratch directory, after a while, and
// nothing else.
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
		{"shardfs-1", 0o700, []string{"lock", ".note.json.shardfs-ABC"}, time.Hour, false},
		{"shardfs-1", 0o700, []string{"lock", ".note.shardfs-ABC"}, time.Hour, true},
		{"shardfs-1", 0o700, []string{"lock"}, 0, true}, // a process may be making it just now
		{"shardfs-2933110", 0o700, nil, time.Hour, false},
		{"shardfs-2933110", 0o700, nil, 0, true},
		{"shardfs-2933110", 0o755, nil, time.Hour, true},
		{"shardfs-results", 0o700, nil, time.Hour, true},
		{"shardfs-2026", 0o700, nil, time.Hour, true},
		// A power cut can leave an empty manifest.
		{"shardfs-2933110", 0o700, []string{"lock", "note.json", "index", "upper/", "work/"}, time.Hour, false},
		{"shardfs-2933110", 0o700, []string{"lock", "note.json", "upper/"}, 0, true},
		{"shardfs-2933110", 0o700, []string{"lock", "note.json", "upper/a/"}, time.Hour, true},
		{"shardfs-2933110", 0o700, []string{"note.json"}, time.Hour, true},
		{"shardfs-results", 0o700, []string{"lock", "note.json", "upper/"}, time.Hour, true},
		{"shardfs-1", 0o700, []string{"lock", "mine.txt"}, time.Hour, true},
		{"shardfs-1", 0o700, []string{"lock", "upper"}, time.Hour, true},
	} {
		dir := filepath.Join(t.TempDir(), tt.name)
		shardtest.Check(t, os.Mkdir(dir, tt.mode))
		for _, name := range tt.files {
			if strings.HasSuffix(name, "/") {
				shardtest.Check(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
			} else {
				shardtest.Check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			}
		}
		then := time.Now().Add(-tt.age)
		shardtest.Check(t, os.Chtimes(dir, then, then))
		Sweep(dir, false, func(string) error { return nil })
		if _, err := os.Stat(dir); (err == nil) != tt.stays {
			t.Errorf("%s with %q, %v old: %v", tt.name, tt.files, tt.age, err)
		}
	}
}

// Sweep does not put a new lock file into a directory that its process is removing, whose old one is gone already; what a
// killed process has left of such a directory is removed after a while.
func TestSweepRemoved(t *testing.T) {
	s, err := CreateTemp(t.TempDir())
	shardtest.Check(t, err)
	defer s.Close()
	shardtest.Check(t, os.Remove(s.path(LockFile)))
	sweep := func() error { return Sweep(s.Dir, false, func(string) error { return nil }) }
	if err := sweep(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Sweep: %v", err)
	}
	if _, err := os.Stat(s.path(LockFile)); err == nil {
		t.Error("there is a new lock file")
	}
	if _, err := os.Stat(s.path(manifestFile)); err != nil {
		t.Error(err)
	}
	then := time.Now().Add(-time.Hour)
	shardtest.Check(t, os.Chtimes(s.Dir, then, then))
	if err := sweep(); err != nil {
		t.Errorf("Sweep later: %v", err)
	}
	if _, err := os.Stat(s.Dir); err == nil {
		t.Error("the directory is there")
	}
}

// However far the removal of a scratch directory got, the rest is recognized, because the manifest is removed last.
func TestRemoveManifestLast(t *testing.T) {
	s, err := CreateTemp(t.TempDir())
	shardtest.Check(t, err)
	for name := range strings.FieldsSeq("a upper zz") {
		shardtest.Check(t, os.MkdirAll(filepath.Join(s.Dir, name, "sub"), 0o700))
	}
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	shardtest.Check(t, err)
	defer unix.Close(watch)
	_, err = unix.InotifyAddWatch(watch, s.Dir, unix.IN_DELETE)
	shardtest.Check(t, err)
	shardtest.Check(t, s.Remove())
	events := make([]byte, 4096)
	n, err := unix.Read(watch, events)
	shardtest.Check(t, err)
	for name := range strings.FieldsSeq("a upper zz") {
		before, _, ok := bytes.Cut(events[:n], []byte(manifestFile))
		if !ok || !bytes.Contains(before, []byte(name+"\x00")) {
			t.Errorf("%s is not removed before the manifest: %q", name, events[:n])
		}
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// After a power cut that left an empty manifest, a scratch directory is used again, unless it holds changes.
func TestLostManifest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	sh := shardtest.Open(t, "a.x")
	s := create(t, dir)
	shardtest.Check(t, s.Bind(sh, ""))
	for _, changed := range []bool{false, true} {
		if changed {
			change(t, s)
		}
		shardtest.Check(t, s.Close())
		shardtest.Check(t, os.Truncate(filepath.Join(dir, manifestFile), 0))
		s = create(t, dir)
		if err := s.Bind(sh, ""); changed != errors.Is(err, ErrNotScratch) || !changed && err != nil {
			t.Errorf("with changes %v: %v", changed, err)
		}
	}
}

// A scratch directory finds its shard by a path that is not UTF-8.
func TestPathOfAnyBytes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "\xff.tar")
	shardtest.Check(t, os.Rename(shardtest.Write(t, "a.x"), name))
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	shardtest.Check(t, err)
	defer sh.Close()
	s := create(t, filepath.Join(t.TempDir(), "\xfe"))
	shardtest.Check(t, s.Bind(sh, "/mnt/\xfd"))
	s, err = Open(s.Dir)
	shardtest.Check(t, err)
	again, err := s.OpenShard(t.Context(), nil)
	shardtest.Check(t, err)
	defer again.Close()
	if again.Name != name || s.Mountpoint() != "/mnt/\xfd" {
		t.Errorf("the shard is %q, the mountpoint %q", again.Name, s.Mountpoint())
	}
}
