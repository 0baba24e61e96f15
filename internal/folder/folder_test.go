package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/pack"
)

// write makes a folder of files with these names, whose content is their name.
func write(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, dir string, o Options) *Folder {
	t.Helper()
	f, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// list returns the members of the samples, key|extension=content, and how many files belong to none.
func list(f *Folder) (members []string, leftOut int, err error) {
	for s, err := range f.Samples() {
		if err != nil {
			return members, leftOut, err
		}
		leftOut += s.LeftOut.Count
		for _, m := range s.Members() {
			file, err := m.File.Open()
			if err != nil {
				return nil, 0, err
			}
			content, err := io.ReadAll(file)
			if err := errors.Join(err, file.Close()); err != nil {
				return nil, 0, err
			}
			members = append(members, s.Key+"|"+m.Ext+"="+string(content))
		}
	}
	return members, leftOut, nil
}

// A sample's files follow each other in every order of bytes, also where a key continues with a byte less than a dot.
func TestSamples(t *testing.T) {
	dir := write(t, "b.x", "a.x", "a.b.c", "a-b.x", "a b.x", "a/1.x", "a/b/2.x", "a\nb.x", "\xff.x",
		"README", ".hidden", "dir.v1/.x.jpg", "__meta__/1.x", ".git/1.x")
	if err := os.Symlink("b.x", filepath.Join(dir, "link.x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo.x"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, leftOut, err := list(open(t, dir, Options{}))
	want := []string{
		"a|b.c=a.b.c", "a|x=a.x", "a\nb|x=a\nb.x", "a b|x=a b.x", "a-b|x=a-b.x", "b|x=b.x", "\xff|x=\xff.x",
		"a/1|x=a/1.x", "a/b/2|x=a/b/2.x",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if leftOut != 8 {
		t.Errorf("%d files belong to no sample, want 8", leftOut)
	}
}

func TestClassDirs(t *testing.T) {
	dir := write(t, "train/dog/1.jpg", "train/dog/1.abc", "train/dog/2.jpg", "cat/1.json")
	got, _, err := list(open(t, dir, Options{ClassDirs: true}))
	want := []string{
		"cat/1|cls=cat", "cat/1|json=cat/1.json", "train/dog/1|abc=train/dog/1.abc", "train/dog/1|cls=dog",
		"train/dog/1|jpg=train/dog/1.jpg", "train/dog/2|cls=dog", "train/dog/2|jpg=train/dog/2.jpg",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, _, err := list(open(t, write(t, "1.jpg"), Options{ClassDirs: true})); !errors.Is(err, ErrNoClass) {
		t.Errorf("a file in no directory: %v", err)
	}
	_, _, err = list(open(t, write(t, "dog/1.jpg", "dog/1.cls"), Options{ClassDirs: true}))
	if !errors.Is(err, pack.ErrDuplicateExtension) {
		t.Errorf("two classes: %v", err)
	}
}

// A file to skip is known by what it is, not by its name.
func TestSkip(t *testing.T) {
	dir := write(t, "a.csv", "b/a.csv")
	info, err := os.Stat(filepath.Join(dir, "a.csv"))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := list(open(t, dir, Options{Skip: []fs.FileInfo{info}}))
	if err != nil || !slices.Equal(got, []string{"b/a|csv=b/a.csv"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestHasSampleDirs(t *testing.T) {
	for _, tt := range []struct {
		files string
		want  bool
	}{
		{"a.jpg", false},
		{"README a/note b/sample.jpg", true},
		{"a/__key__", true},
		{"a/b/c/sample.jpg z/1.jpg", true},
		{"a/1.jpg b/sample.jpg", false},
		{"sample.jpg", false},
	} {
		found, err := open(t, write(t, strings.Fields(tt.files)...), Options{}).HasSampleDirs()
		if err != nil || found != tt.want {
			t.Errorf("%s: %v, %v, want %v", tt.files, found, err, tt.want)
		}
	}
	_, _, err := list(open(t, write(t, "a/1.jpg", "b/__key__"), Options{}))
	if !errors.Is(err, ErrSampleDir) {
		t.Errorf("a sample directory after files: %v", err)
	}
}

// Where the kernel has no openat2, files are opened in more steps.
func TestWithoutOpenat2(t *testing.T) {
	f := open(t, write(t, "a/1.x"), Options{})
	for _, o := range []opener{f.opener, {root: f.root, dir: f.dir, old: true}} {
		f.opener = o
		if got, _, err := list(f); err != nil || !slices.Equal(got, []string{"a/1|x=a/1.x"}) {
			t.Errorf("old %v: %q, %v", o.old, got, err)
		}
		if _, err := o.open("a/../../x"); err == nil {
			t.Errorf("old %v: opened outside the folder", o.old)
		}
	}
}

// A file that became a link or a FIFO since it was listed is not followed, and not waited for.
func TestOpenChanged(t *testing.T) {
	dir := write(t, "a.x", "b.x")
	f := open(t, dir, Options{})
	for _, o := range []opener{f.opener, {root: f.root, dir: f.dir, old: true}} {
		os.Remove(filepath.Join(dir, "a.x"))
		if err := os.Symlink("b.x", filepath.Join(dir, "a.x")); err != nil {
			t.Fatal(err)
		}
		if _, err := o.open("a.x"); err == nil {
			t.Errorf("old %v: a link is followed", o.old)
		}
		os.Remove(filepath.Join(dir, "a.x"))
		if err := unix.Mkfifo(filepath.Join(dir, "a.x"), 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := o.open("a.x")
		if err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil || info.Mode().IsRegular() {
			t.Errorf("old %v: %v, %v", o.old, info.Mode(), err)
		}
		file.Close()
	}
}
