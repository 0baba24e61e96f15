package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestShards(t *testing.T) {
	for _, s := range []shard{photos(5), thumbs(5), texts(5)} {
		var a, b bytes.Buffer
		for _, w := range []io.Writer{&a, &b} {
			if err := s.write(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		if int64(a.Len()) != s.size() {
			t.Errorf("%s has %d bytes, want %d", s.name, a.Len(), s.size())
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s differs from run to run", s.name)
		}
	}
}

func TestExtractAndRead(t *testing.T) {
	b, s := &bench{dir: t.TempDir()}, thumbs(5)
	if _, err := b.draw(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	root, err := b.extract(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := timeTree(t.Context(), root, s.bodies()); err != nil {
		t.Error(err)
	}
}

func TestSame(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, s shard) string {
		name = filepath.Join(dir, name)
		if err := create(name, func(w io.Writer) error { return s.write(t.Context(), w) }); err != nil {
			t.Fatal(err)
		}
		return name
	}
	a, b, c := file("a.tar", thumbs(1000)), file("b.tar", thumbs(1000)), file("c.tar", thumbs(999))
	change(t, b, thumbs(1000).size()-trailer-block) // the first byte of the last body
	for _, tt := range []struct {
		got, want    string
		bytes, names bool
	}{
		{a, a, true, true},
		{b, a, false, true},
		{a, c, false, false},
		{c, a, false, false},
	} {
		if err := sameBytes(tt.got, tt.want); (err == nil) != tt.bytes {
			t.Errorf("sameBytes(%s, %s) = %v", tt.got, tt.want, err)
		}
		if err := sameNames(tt.got, tt.want); (err == nil) != tt.names {
			t.Errorf("sameNames(%s, %s) = %v", tt.got, tt.want, err)
		}
	}
}

// change overwrites the byte at off.
func change(t *testing.T, name string, off int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("X"), off); err != nil {
		t.Fatal(err)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		x    []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 2, 3}, 2.5},
	} {
		if got := median(tt.x); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.x, got, tt.want)
		}
	}
	if got := medianRatio([]float64{2, 6, 3}, []float64{1, 2, 3}); got != 2 {
		t.Errorf("medianRatio = %v, want 2", got)
	}
}

func TestQuote(t *testing.T) {
	if got, want := quote([]string{"sh", "-c", "echo 'a'", ""}), `sh -c 'echo '\''a'\''' ''`; got != want {
		t.Errorf("quote = %s, want %s", got, want)
	}
}

func TestGroup(t *testing.T) {
	for x, want := range map[float64]string{7: "7", 999: "999", 1000: "1 000", 1234567: "1 234 567"} {
		if got := group(x); got != want {
			t.Errorf("group(%v) = %q, want %q", x, got, want)
		}
	}
}
