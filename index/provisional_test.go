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
func regularFiles(t *testing.T, plain []byte) (entries []Entry, end int64) {
	t.Helper()
	s := NewScanner(bytes.NewReader(plain))
	for last := int64(0); ; {
		e, err := s.Next()
		if err == io.EOF {
			return entries, s.End()
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

func provisional(t *testing.T, entries []Entry, end int64) *Index {
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
	return b.Provisional(end)
}

// An index that another tool has made shows the same samples and bytes as one that was built, whatever times and entries
// outside samples it does not have. One that is wrong in anything else is noticed at the member, or at the next.
func TestProvisional(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("d/", 100) + "a.x"
	plain := makeTar(t, "*", "dir/", "a.x", "README", "a.y", long, "b.x->", "b.x", "b.x", "dir.d/", "./c.y")
	entries, end := regularFiles(t, plain)
	want := build(t, plain)
	x := provisional(t, entries, end)
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
		x := provisional(t, changed, changed[len(changed)-1].End)
		var err error
		for row := range x.Rows() {
			err = errors.Join(err, x.Check(row, bytes.NewReader(plain)))
		}
		if !errors.Is(err, ErrStale) || !errors.Is(x.Err(), ErrStale) {
			t.Errorf("%s: %v, %v", story, err, x.Err())
		}
	}
	if err := provisional(t, entries, end).Check(0, iotestReaderAt{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a shard that cannot be read: %v", err)
	}
}
