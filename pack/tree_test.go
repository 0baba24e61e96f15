package pack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"
)

// A plain directory of sample directories is packed by path.
func TestPackTree(t *testing.T) {
	data := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o600, ModTime: ftime} }
	fsys := fstest.MapFS{
		"b/sample.x":         data("1"),
		"b/__key__":          data("first\n"),
		"b/__source__":       data("somewhere.tar"),
		"a/sample.y":         data("2"),
		"a/sample.x":         data("3"),
		"a/log":              data("left out"),
		"c/d/sample.x":       data("4"),
		"c/d/e/sample.x":     data("5"),
		"c.d/__key__":        data("dotless"),
		"c.d/sample.x":       data("6"),
		"empty":              {Mode: fs.ModeDir},
		"__key__":            data("of no sample"),
		"%2E/%25/sample.%41": data("7"),
	}
	out, sum := mustPack(t, Base{}, Tree{fsys}, Options{})
	const want = "./%.%41=7 a.x=3 a.y=2 first.x=1 c/d.x=4 c/d/e.x=5 dotless.x=6"
	if got := listing(t, out); got != want {
		t.Errorf("members: %s\nwant:    %s", got, want)
	}
	if sum.Samples != 6 || sum.Members != 7 || sum.LeftOut != 2 || sum.Emptied != 0 {
		t.Errorf("summary %+v", sum)
	}
	for _, h := range first(headers(t, out)) {
		if h.Mode != 0o644 || h.Uid != 0 || h.Uname != "" || !h.ModTime.Equal(ftime.Truncate(time.Second)) {
			t.Errorf("%+v", h)
		}
	}
}

// Links and FIFOs in a directory are counted and neither followed nor waited for.
func TestPackTreeOfOddFiles(t *testing.T) {
	dir := t.TempDir()
	a := filepath.Join(dir, "a")
	err := errors.Join(
		os.Mkdir(a, 0o755),
		os.WriteFile(filepath.Join(a, "sample.x"), []byte("1"), 0o644),
		os.Symlink("sample.x", filepath.Join(a, "sample.link")),
		os.Symlink("/", filepath.Join(a, "root")),
		os.Symlink("..", filepath.Join(dir, "b")),
		unix.Mkfifo(filepath.Join(a, "sample.fifo"), 0o644),
		unix.Mkfifo(filepath.Join(a, "__key__"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	out, sum := mustPack(t, Base{}, Tree{os.DirFS(dir)}, Options{})
	if got := listing(t, out); got != "a.x=1" || sum.LeftOut != 4 {
		t.Errorf("members: %s, summary %+v", got, sum)
	}
}

func TestPackTreeErrors(t *testing.T) {
	if _, _, err := packed(Base{}, Tree{os.DirFS("nowhere")}, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
	fsys := fstest.MapFS{"a/sample.x": {}, "b/sample.x": {}, "b/__key__": {Data: []byte("a")}}
	if _, _, err := packed(Base{}, Tree{fsys}, Options{}); !errors.Is(err, ErrSameKey) {
		t.Errorf("two directories of one key: %v, want %v", err, ErrSameKey)
	}
	// One that is removed while it is packed is left out.
	w := NewWriter(new(limitedWriter), Options{})
	for f, err := range (Tree{vanishing{fsys}}).Dirs() {
		if err != nil {
			t.Fatal(err)
		}
		if f.Path != "" {
			t.Errorf("%s is there", f.Path)
		}
	}
	if err := Pack(context.Background(), w, All(Base{}, Tree{vanishing{fsys}})); err != nil {
		t.Error(err)
	}
}

// vanishing is a file system that lists directories which are gone when they are opened.
type vanishing struct{ fs.FS }

func (v vanishing) Open(name string) (fs.File, error) {
	if name != "." {
		return nil, fs.ErrNotExist
	}
	return v.FS.Open(name)
}
