package pack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// Measure returns exactly the size that Write then writes, for every kind of change, and reads no content.
func TestMeasure(t *testing.T) {
	plain := makeTar(t, tar.FormatPAX, "d/", "a.x", "README", "a.y", "b.x", "l->", "b.y", "c.x",
		strings.Repeat("long", 40)+".x", "e/")
	s := newShard(t, plain)
	for _, o := range []Options{
		{}, {DropOutside: true}, {Reordered: true}, {OwnEnd: true}, {Times: FileTime},
		{Selection: Selection{{"x", []string{"x"}}, {"z", []string{"y"}}}},
		{Selection: Selection{{"y", []string{"y"}}}},
		{Rekey: func(key string, n int) string { return fmt.Sprint(strings.Repeat("k", 97), n) }, first: 98},
	} {
		var out bytes.Buffer
		w := NewWriter(&out, o)
		samples := All(s.base, s.dirs(changes{"b": {write("sample.y", strings.Repeat("y", 1000)),
			write("sample.z", "")},
			"c": {remove("sample.x")}},
			added("n/m", "sample.x=1", "log=2")))
		for s, err := range samples {
			if err != nil {
				t.Fatal(err)
			}
			want, err := w.Measure(unread(s))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Write(s), w.Flush()); err != nil {
				t.Fatal(err)
			}
			if w.Summary() != want || w.Size() != want.Bytes || int64(out.Len()) != want.Bytes {
				t.Errorf("%+v: sample %q: measured %+v, written %+v", o, s.Path, want, w.Summary())
			}
		}
		want := Closed(w.Size())
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if int64(out.Len()) != want && !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%+v: %d bytes in the end, want %d", o, out.Len(), want)
		}
	}
}

// unread returns a sample whose content cannot be read.
func unread(s Sample) Sample {
	s.members = slices.Clone(s.members)
	for i, m := range s.members {
		if m.File.Row != Changed {
			continue
		}
		size := m.File.Size
		s.members[i].File.Open = func() (fs.File, error) {
			return &fakeFile{size: size, r: errReader{errors.New("it was read")}}, nil
		}
	}
	return s
}

// Tars that continue each other contain together the same as a single one, wherever they are split.
func TestContinue(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "d/", "a.x", "README", "a.y", "NOTES", "b.x", "l->",
		"b.y", "c.x", "e/"))
	for cuts := range 1 << 4 {
		var parts []string
		var out bytes.Buffer
		finish := func(w *Writer) {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			checkReaders(t, out.Bytes())
			parts = append(parts, listing(t, out.Bytes()))
			out.Reset()
		}
		o := Options{OwnEnd: true, Rekey: func(key string, n int) string { return key + fmt.Sprint(n) }}
		w := NewWriter(&out, o)
		n := 0
		for sample, err := range Shard(s.base) {
			if err != nil {
				t.Fatal(err)
			}
			if cuts>>n&1 != 0 {
				finish(w)
				before := w
				w = NewWriter(&out, o)
				w.Continue(before)
			}
			n++
			if err := w.Write(sample); err != nil {
				t.Fatal(err)
			}
		}
		finish(w)
		const want = "d/ a0.x=a.x README a0.y=a.y NOTES b1.x=b.x l b1.y=b.y c2.x=c.x e/"
		if got := strings.Join(strings.Fields(strings.Join(parts, " ")), " "); got != want {
			t.Errorf("cuts %04b: %s\nwant %s", cuts, got, want)
		}
	}
}
