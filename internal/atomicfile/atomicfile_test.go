package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
	old := filepath.Join(dir.Name(), ".x.shardfs-KILLEDKILLEDKILLEDKILLEDKI")
	check(t, os.WriteFile(old, nil, 0o600))
	other := ".xy.shardfs-KILLEDKILLEDKILLEDKILLEDKI"
	check(t, os.WriteFile(filepath.Join(dir.Name(), other), nil, 0o600))
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
	if got := names(t, dir); !slices.Equal(got, []string{other, "x"}) {
		t.Errorf("at the end there are %q", got)
	}
}

// What only looks like a temporary file is neither waited for nor removed.
func TestForeign(t *testing.T) {
	dir := openDir(t)
	const random = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	make := map[string]func(name string) error{
		".x.shardfs-x":                func(name string) error { return os.WriteFile(name, nil, 0o600) },
		".x.shardfs-" + random + "A":  func(name string) error { return os.WriteFile(name, nil, 0o600) },
		".x.shardfs-" + random:        func(name string) error { return unix.Mkfifo(name, 0o600) },
		".x.shardfs-part-" + random:   func(name string) error { return unix.Mkfifo(name, 0o600) },
		".x.shardfs-Z" + random[:25]:  func(name string) error { return os.Symlink("/nowhere", name) },
		".x.shardfs-ZZ" + random[:24]: func(name string) error { return os.Mkdir(name, 0o700) },
	}
	if os.Geteuid() == 0 {
		make[".x.shardfs-ZZZ"+random[:23]] = func(name string) error {
			return errors.Join(os.WriteFile(name, nil, 0o666), os.Chown(name, 1234, 1234))
		}
	}
	want := []string{"x"}
	for name, how := range make {
		check(t, how(filepath.Join(dir.Name(), name)))
		want = append(want, name)
	}
	slices.Sort(want)
	for name := range Parts(dir, "x") {
		t.Errorf("%s is taken for the part of an output", name)
	}
	f, err := Create(dir, "x", Options{})
	check(t, err)
	check(t, f.Commit())
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("at the end there are %q, want %q", got, want)
	}
}

// Long names that begin alike are different names.
func TestLongNames(t *testing.T) {
	dir := openDir(t)
	long := strings.Repeat("n", 240)
	a, err := Create(dir, long+"-a", Options{})
	check(t, err)
	b, err := Create(dir, long+"-b", Options{})
	check(t, err)
	if _, err := Create(dir, long+"-a", Options{}); err != ErrBusy {
		t.Errorf("a second writer: %v", err)
	}
	check(t, a.Commit())
	check(t, b.Commit())
}

// A file keeps the permissions of the one that it replaces, also while it is written.
func TestMode(t *testing.T) {
	dir := openDir(t)
	name := filepath.Join(dir.Name(), "x")
	for _, mode := range []fs.FileMode{0o600, 0o444, 0o777, 0o640} {
		check(t, os.WriteFile(name, nil, 0o600))
		check(t, os.Chmod(name, mode))
		f, err := Create(dir, "x", Options{Replace: true})
		check(t, err)
		if info, err := f.Stat(); err != nil || info.Mode() != mode {
			t.Errorf("while it is written: %v, %v, want %v", info.Mode(), err, mode)
		}
		check(t, f.Commit())
		if info, err := os.Stat(name); err != nil || info.Mode() != mode {
			t.Errorf("%v, %v, want %v", info.Mode(), err, mode)
		}
		check(t, os.Remove(name))
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

// Publishing by hard links, or by an empty file that is replaced, on file systems without rename flags, never replaces
// another file.
func TestWithoutRenameFlags(t *testing.T) {
	for _, publish := range []func(*File) error{(*File).link, (*File).reserve} {
		dir := openDir(t)
		for i, want := range []error{nil, fs.ErrExist} {
			f, err := Create(dir, "x", Options{})
			check(t, err)
			_, err = fmt.Fprint(f, i)
			check(t, err)
			if err := publish(f); !errors.Is(err, want) {
				t.Errorf("%d: %v, want %v", i, err, want)
			}
			check(t, f.Abort())
		}
		if got := names(t, dir); !slices.Equal(got, []string{"x"}) {
			t.Errorf("there are %q", got)
		}
		if got, err := os.ReadFile(filepath.Join(dir.Name(), "x")); err != nil || string(got) != "0" {
			t.Errorf("it holds %q, %v", got, err)
		}
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
