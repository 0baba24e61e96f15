package index

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// regularFiles returns the regular files of a tar as another tool would describe them.
func regularFiles(t *testing.T, plain []byte) (entries []Entry) {
	t.Helper()
	s := NewScanner(bytes.NewReader(plain))
	for last := int64(0); ; {
		e, err := s.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Regular {
			entries = append(entries, Entry{
				Name: bytes.Clone(e.Name), Header: last, Data: e.Data, Size: e.Size, Stored: e.Size, End: e.End,
				ModTime: time.Unix(1, 0), Mode: 0o644, Regular: true,
			})
			last = e.End
		}
	}
}

func provisional(t *testing.T, entries []Entry, size int) *Index {
	t.Helper()
	var b Builder
	for i := range entries {
		e := entries[i]
		e.Header = 0
		if i > 0 {
			e.Header = entries[i-1].End
		}
		if err := b.Add(&e); err != nil {
			t.Fatal(err)
		}
	}
	return b.Provisional(entries[len(entries)-1].End, int64(size))
}

// An index that another tool has made shows the same samples and bytes as one that was built, whatever times and entries
// outside samples it does not have. One that is wrong in anything else is noticed at the member, or at the next.
func TestProvisional(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("d/", 100) + "a.x"
	plain := makeTar(t, "*", "dir/", "a.x", "README", "a.y", long, "b.x->", "b.x", "b.x", "dir.d/", "./c.y",
		"e/", "e.x->")
	entries := regularFiles(t, plain)
	want := build(t, plain)
	x := provisional(t, entries, len(plain))
	shown := func(x *Index) (lines []string) {
		for _, line := range outline(x) {
			line, _, _ = strings.Cut(line, " +")
			lines = append(lines, line)
		}
		return lines
	}
	if !slices.Equal(shown(x), shown(want)) || !x.IsProvisional() || want.IsProvisional() {
		t.Errorf("%q, want %q", shown(x), shown(want))
	}
	for row := range x.Rows() {
		r, err := x.Open(row, bytes.NewReader(plain))
		if err != nil {
			t.Fatalf("row %d: %v", row, err)
		}
		e := entries[row]
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain[e.Data:e.Data+e.Size]) {
			t.Errorf("row %d: %q, %v", row, got, err)
		}
		if err := x.Check(row, bytes.NewReader(nil)); err != nil {
			t.Errorf("row %d is compared again: %v", row, err)
		}
	}
	for story, change := range map[string]func(e []Entry) []Entry{
		"another name":      func(e []Entry) []Entry { e[2].Name = []byte("a.z"); return e },
		"another key":       func(e []Entry) []Entry { e[0].Name = []byte("e.x"); return e },
		"a shorter one":     func(e []Entry) []Entry { e[0].Size--; return e },
		"a longer one":      func(e []Entry) []Entry { e[0].Size++; return e },
		"another place":     func(e []Entry) []Entry { e[3].Data -= BlockSize; return e },
		"one is missing":    func(e []Entry) []Entry { return slices.Delete(e, 2, 3) },
		"the first":         func(e []Entry) []Entry { return e[1:] },
		"the last":          func(e []Entry) []Entry { return e[:len(e)-1] },
		"all but the first": func(e []Entry) []Entry { return e[:1] },
		"one more": func(e []Entry) []Entry {
			last := e[len(e)-1]
			more := Entry{Name: []byte("e.x"), Data: last.End + BlockSize, End: last.End + BlockSize, Regular: true}
			return append(e, more)
		},
		"a link": func(e []Entry) []Entry {
			link := Entry{Name: []byte("b.x"), Data: e[3].End + BlockSize, End: e[3].End + BlockSize, Regular: true}
			return slices.Insert(e, 4, link)
		},
		"a directory": func(e []Entry) []Entry {
			dir := Entry{Name: []byte("dir/"), Data: e[0].Data - BlockSize, End: e[0].Data - BlockSize, Regular: true}
			return slices.Insert(e, 0, dir)
		},
	} {
		changed := change(slices.Clone(entries))
		x := provisional(t, changed, len(plain))
		var err error
		for row := range x.Rows() {
			err = errors.Join(err, x.Check(row, bytes.NewReader(plain)))
		}
		if !errors.Is(err, ErrStale) || !errors.Is(x.Err(), ErrStale) {
			t.Errorf("%s: %v, %v", story, err, x.Err())
		}
	}
	for _, row := range []int{0, x.Rows() - 1} {
		cut := plain[:entries[row].Data] // the last member is there, and what follows is not
		if row == 0 {
			cut = nil
		}
		in := io.NewSectionReader(failing{bytes.NewReader(cut), int64(len(cut))}, 0, int64(len(plain)))
		if err := provisional(t, entries, len(plain)).Check(row, in); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("row %d of a shard that cannot be read: %v", row, err)
		}
	}
}

// failing cannot be read from an offset on.
type failing struct {
	io.ReaderAt
	from int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.from {
		return 0, io.ErrNoProgress
	}
	n, err := f.ReaderAt.ReadAt(p[:min(int64(len(p)), f.from-off)], off)
	if err == nil && n < len(p) {
		err = io.ErrNoProgress
	}
	return n, err
}
