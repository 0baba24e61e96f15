package index

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A tar in these tests is given as the names of its members. The end of a name is the type: a slash is a directory,
// "->" a symlink, "=>" a hard link, "|" a FIFO, "#" a device; everything else is a regular file whose content is its
// name. "*" alone is a global header.
func makeTar(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(1_500_000_000, 0)}
		for _, kind := range []struct {
			mark     string
			typeflag byte
		}{{"->", tar.TypeSymlink}, {"=>", tar.TypeLink}, {"|", tar.TypeFifo}, {"#", tar.TypeChar}} {
			if rest, ok := strings.CutSuffix(name, kind.mark); ok {
				h.Name, h.Typeflag = rest, kind.typeflag
			}
		}
		switch {
		case name == "*":
			h = tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "none"}}
		case h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink:
			h.Linkname = "target"
		case h.Typeflag != 0:
		case strings.HasSuffix(name, "/"):
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// build returns the index of a tar that must be whole.
func build(t testing.TB, plain []byte) *Index {
	t.Helper()
	x, err := Build(bytes.NewReader(plain), BuildOptions{Concurrent: true})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// indexOf returns the index of regular files of these names, of any bytes.
func indexOf(t testing.TB, names ...string) *Index {
	t.Helper()
	var b Builder
	for i, name := range names {
		at := int64(i) * 2 * BlockSize
		e := Entry{
			Name: []byte(name), Header: at, Data: at + BlockSize, Size: 7, End: at + 2*BlockSize,
			ModTime: time.Unix(0, int64(i)), Mode: 0o644, Regular: true,
		}
		if err := b.Add(&e); err != nil {
			t.Fatal(err)
		}
	}
	return b.Finish(int64(len(names)) * 2 * BlockSize)
}

// outline describes the view of an index, a line per sample: its path, a colon, its files; after an equals sign its key
// if that differs from the path; and after a plus sign how many entries outside samples are among its members.
func outline(x *Index) []string {
	var lines []string
	for number := range x.Samples() {
		s := x.Sample(number)
		line, others := fmt.Sprintf("%s:", s.Path), 0
		for row := s.Start; row < s.End; row++ {
			if x.InSample(row) {
				line += " " + x.FileName(row)
			} else {
				others++
			}
		}
		if s.Key != s.Path {
			line += fmt.Sprintf(" = %q", s.Key)
		}
		if others > 0 {
			line += fmt.Sprintf(" +%d", others)
		}
		lines = append(lines, line)
	}
	return lines
}
