package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openDir returns an empty directory.
func openDir(t *testing.T) *os.File {
	t.Helper()
	dir, err := os.Open(t.TempDir())
	check(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names returns the sorted names in a directory.
func names(t *testing.T, dir *os.File) (list []string) {
	t.Helper()
	for name, err := range Names(dir) {
		check(t, err)
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func TestCommitAndAbort(t *testing.T) {
	for _, o := range []Options{
		{}, {Replace: true}, {Durable: Whole}, {Durable: Volatile, Replace: true}, {Shared: true, Replace: true},
		{Resumable: true},
	} {
		dir := openDir(t)
		f, err := Create(dir, "x", o)
		check(t, err)
		if got := names(t, dir); len(got) != 1 || !strings.HasPrefix(got[0], ".x.shardfs-") {
			t.Errorf("%+v: while it is written there are %q", o, got)
		}
		if final, ok := FinalName(f.Name()); !o.Resumable && (final != "x" || !ok) {
			t.Errorf("%s is to become %q, %v", f.Name(), final, ok)
		}
		_, err = f.Write([]byte("content"))
		check(t, err)
		check(t, f.Commit())
		check(t, f.Abort()) // does nothing
		if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
			t.Errorf("%+v: after Commit there are %q", o, got)
		}
		if got, err := os.ReadFile(filepath.Join(dir.Name(), "x")); err != nil || string(got) != "content" {
			t.Errorf("%+v: it holds %q, %v", o, got, err)
		}
		f, err = Create(dir, "y", o)
		check(t, err)
		check(t, f.Close())
		if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
			t.Errorf("%+v: after Close without Commit there are %q", o, got)
		}
		f, err = Create(dir, "x", o)
		check(t, err)
		if err := f.Commit(); errors.Is(err, fs.ErrExist) == o.Replace || err != nil && o.Replace {
			t.Errorf("%+v: Commit over another file: %v", o, err)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
			t.Errorf("%+v: after it there are %q", o, got)
		}
	}
}

// Of two processes that write the same file, one gets ErrBusy, unless Shared is set.
func TestBusy(t *testing.T) {
	dir := openDir(t)
	f, err := Create(dir, "x", Options{Replace: true})
	check(t, err)
	if _, err := Create(dir, "x", Options{Replace: true}); err != ErrBusy {
		t.Errorf("a second writer: %v", err)
	}
	if err := RemoveUnlocked(dir, f.Name()); err != ErrBusy {
		t.Errorf("what is being written was removed: %v", err)
	}
	check(t, f.Commit())
	shared := Options{Replace: true, Shared: true}
	a, err := Create(dir, "x", shared)
	check(t, err)
	b, err := Create(dir, "x", shared)
	check(t, err)
	check(t, b.Commit())
	check(t, a.Commit())
	if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
		t.Errorf("at the end there are %q", got)
	}
}

// Files of killed processes are removed by the next writer; a resumable file stays until the name is committed.
func TestLeftovers(t *testing.T) {
	dir := openDir(t)
	old := filepath.Join(dir.Name(), ".x.shardfs-OLD")
	check(t, os.WriteFile(old, nil, 0o600))
	check(t, os.WriteFile(filepath.Join(dir.Name(), ".xy.shardfs-OTHER"), nil, 0o600))
	f, err := Create(dir, "x", Options{Resumable: true})
	check(t, err)
	part := f.Name()
	_, err = f.Write([]byte("half"))
	check(t, err)
	check(t, f.Sync())
	check(t, f.Detach())
	f, err = Create(dir, "x", Options{})
	check(t, err)
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover: %v", err)
	}
	var parts []string
	for name, err := range Parts(dir, "x") {
		check(t, err)
		parts = append(parts, name)
	}
	if !slices.Equal(parts, []string{part}) {
		t.Errorf("the parts are %q, want %q", parts, part)
	}
	half, err := OpenPart(dir, "x", part)
	check(t, err)
	half.Close()
	for _, name := range []string{"x", f.Name(), "../" + part} {
		if _, err := OpenPart(dir, "x", name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is opened as a part: %v", name, err)
		}
	}
	check(t, f.Commit())
	if got := names(t, dir); !slices.Equal(got, []string{".xy.shardfs-OTHER", "x"}) {
		t.Errorf("at the end there are %q", got)
	}
}

// failing is a directory of which only some names can be read.
type failing struct{}

func (failing) Readdirnames(int) ([]string, error) {
	return []string{"a", "b", "c"}, errors.New("input/output error")
}

// An error of reading a directory does not hide the names that came before it.
func TestNamesBeforeAnError(t *testing.T) {
	var got []string
	var failed error
	list(failing{}, func(name string, err error) bool {
		if err != nil {
			failed = err
		} else {
			got = append(got, name)
		}
		return true
	})
	if !slices.Equal(got, []string{"a", "b", "c"}) || failed == nil {
		t.Errorf("%q, then %v", got, failed)
	}
}

// Publishing by hard links, on file systems without rename flags, gives the same guarantees.
func TestLink(t *testing.T) {
	dir := openDir(t)
	for i, want := range []error{nil, fs.ErrExist} {
		f, err := Create(dir, "x", Options{})
		check(t, err)
		if err := f.link(); !errors.Is(err, want) {
			t.Errorf("link %d: %v, want %v", i, err, want)
		}
		check(t, f.Abort())
	}
	if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
		t.Errorf("there are %q", got)
	}
}

func TestWriteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	o := Options{Perm: 0o600, Replace: true, Durable: Volatile}
	for _, content := range []string{"a", "b"} {
		check(t, WriteFile(name, []byte(content), o))
		got, err := os.ReadFile(name)
		if err != nil || string(got) != content {
			t.Errorf("it holds %q, %v", got, err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
