package pack

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

func TestReadDirs(t *testing.T) {
	fsys := fstest.MapFS{
		"a/sample.x":     {Data: []byte("1")},
		"a/b/c/sample.y": {Data: []byte("22"), Mode: 0o600},
		"a/b/link":       {Data: []byte("target"), Mode: fs.ModeSymlink},
		"a/empty":        {Mode: fs.ModeDir},
		"other":          {},
	}
	f, err := ReadDirs(fsys, "a")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	var walk func(f Dir)
	walk = func(f Dir) {
		lines = append(lines, f.Path+"/")
		for _, file := range f.Files {
			if file.Row != Changed {
				t.Errorf("%s has row %d", file.Name, file.Row)
			}
			line := f.Path + "/" + file.Name
			if file.Mode.IsRegular() {
				line += "=" + read(t, file)
			}
			lines = append(lines, line)
		}
		for _, sub := range f.Dirs {
			walk(sub)
		}
	}
	walk(f)
	want := []string{"a/", "a/sample.x=1", "a/b/", "a/b/link", "a/b/c/", "a/b/c/sample.y=22", "a/empty/"}
	if !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
	if file, ok := f.file("sample.x"); !ok || file.Size != 1 {
		t.Errorf("sample.x is %+v, %v", file, ok)
	}
	if _, ok := f.file("b"); ok {
		t.Error("a directory is among the files")
	}
	if _, err := ReadDirs(fsys, "nowhere"); err == nil {
		t.Error("a directory that is not there is read")
	}
}

func read(t *testing.T, file DirFile) string {
	t.Helper()
	f, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A link to a directory is a file that is no member; its target is not read.
func TestReadDirsFollowsNoLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "a", "up")); err != nil {
		t.Fatal(err)
	}
	f, err := ReadDirs(os.DirFS(dir), "a")
	if err != nil || len(f.Dirs) != 0 || len(f.Files) != 1 || f.Files[0].Mode.Type() != fs.ModeSymlink {
		t.Errorf("%+v, %v", f, err)
	}
}

// Names are bytes, on every file system.
func TestReadDirsOfAnyNames(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "\xff", "\xfe")
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(name, "sample.\xfd"), []byte("1"), 0o644); err != nil {
		skip.Without(t, "a file system that does not demand UTF-8: %v", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, err := ReadDirs(RootFS(root), "\xff")
	if err != nil || len(f.Dirs) != 1 || len(f.Dirs[0].Files) != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
	if got := read(t, f.Dirs[0].Files[0]); got != "1" {
		t.Errorf("content %q", got)
	}
}

func TestMemberFiles(t *testing.T) {
	x := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "README", "a.x", "a.y", "b.x")).base.Index
	files := MemberFiles(x, x.Sample(0), func(name string) bool { return strings.HasSuffix(name, ".x") })
	if len(files) != 2 || files[0].Name != "sample.x" || files[0].Row != 0 || files[0].Size != 3 ||
		files[0].Mode != 0o600 ||
		!files[0].ModTime.Equal(mtime) || files[1].Name != "sample~2.x" || files[1].Row != 2 {
		t.Errorf("%+v", files)
	}
}

func TestSortDirs(t *testing.T) {
	dirs := []Dir{{Path: "b"}, {Path: "a/b"}, {Path: "a"}, {Path: "a.b"}}
	SortDirs(dirs)
	if dirs[0].Path != "a" || dirs[1].Path != "a.b" || dirs[2].Path != "a/b" || dirs[3].Path != "b" {
		t.Errorf("%v", dirs)
	}
}

// What has replaced a listed file is not opened: a link is not followed, a FIFO not waited for.
func TestRootFS(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644), os.Symlink("file", filepath.Join(dir, "link")),
		os.Symlink(".", filepath.Join(dir, "up")), syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	fsys := RootFS(root)
	for _, name := range []string{"link", "up"} {
		if _, err := fsys.Open(name); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]error{"file": nil, "fifo": ErrChanged} {
		file := DirFile{Name: name, Open: func() (fs.File, error) { return fsys.Open(name) }}
		if b, err := file.read(3); !errors.Is(err, want) || err == nil && string(b) != "tex" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}
