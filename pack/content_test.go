package pack

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
)

// Only the runs of data are read and written; the rest of the file are holes.
func TestCopyData(t *testing.T) {
	const size = 1 << 30
	runs := []index.Extent{{Off: 1 << 20, Len: 5000}, {Off: 1 << 29, Len: 1}}
	data := func(off int64) (index.Extent, bool) {
		for _, run := range runs {
			if run.Off+run.Len > off {
				return run, true
			}
		}
		return index.Extent{}, false
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := io.NewSectionReader(everywhere('x'), 0, size)
	if err := CopyData(f, content, size, data, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Errorf("%v, %v", info, err)
	}
	for at, want := range map[int64]byte{
		0: 0, 1<<20 - 1: 0, 1 << 20: 'x', 1<<20 + 4999: 'x', 1<<20 + 5000: 0, 1 << 29: 'x',
	} {
		var b [1]byte
		if _, err := f.ReadAt(b[:], at); err != nil || b[0] != want {
			t.Errorf("at %d: %q, %v", at, b, err)
		}
	}
	runs = []index.Extent{{Off: size - 1, Len: 2}}
	if err := CopyData(f, content, size, data, make([]byte, 1000)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a run beyond the end: %v", err)
	}
}

// everywhere reads as one byte at any offset.
type everywhere byte

func (e everywhere) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestSameContent(t *testing.T) {
	b := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "a.y")).base // of "a.x" and "a.y"
	long := strings.Repeat("x", 200_000)
	for _, tt := range []struct {
		content string
		want    bool
	}{{"a.x", true}, {"a.y", false}, {"a.", false}, {"a.xx", false}, {"", false}, {long, false}} {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(tt.content), 0o644); err != nil {
			t.Fatal(err)
		}
		file := DirFile{Name: "sample.x", Open: func() (fs.File, error) { return os.Open(name) }}
		if same, err := SameContent(b, 0, file); same != tt.want || err != nil {
			t.Errorf("%.10q: %v, %v", tt.content, same, err)
		}
	}
	gone := DirFile{Open: func() (fs.File, error) { return nil, fs.ErrNotExist }}
	if same, err := SameContent(b, 0, gone); same || err != nil {
		t.Errorf("a file that is gone: %v, %v", same, err)
	}
	b.Plain = io.NewSectionReader(strings.NewReader(""), 0, 0)
	file := DirFile{Open: func() (fs.File, error) { return os.Open(os.DevNull) }}
	if same, err := SameContent(b, 0, file); same || err != nil {
		t.Errorf("no regular file: %v, %v", same, err)
	}
}
