package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// benchIn returns a bench without a binary.
func benchIn(dir string) *bench { return &bench{dir: dir, work: dir} }

func TestShards(t *testing.T) {
	for _, s := range []drawn{photos(5), thumbs(5), texts(5), jpegs(2), prose(5)} {
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

// gzip compresses the shards for its measures about as well as real pictures and texts.
func TestCompressible(t *testing.T) {
	for _, tt := range []struct {
		shard       drawn
		least, most float64
	}{
		{jpegs(4), 0.92, 0.98},
		{prose(100), 0.28, 0.42},
	} {
		var n counter
		z, err := gzip.NewWriterLevel(&n, 6)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(tt.shard.write(t.Context(), z), z.Close()); err != nil {
			t.Fatal(err)
		}
		if part := float64(n) / float64(tt.shard.size()); part < tt.least || part > tt.most {
			t.Errorf("gzip makes %s %.3f as long, want %v to %v", tt.shard.name, part, tt.least, tt.most)
		}
	}
}

func TestExtractAndRead(t *testing.T) {
	b, s := benchIn(t.TempDir()), thumbs(5)
	if _, err := b.draw(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	root, err := b.extract(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := walking(s.bodies()).run(t.Context(), root); err != nil {
		t.Error(err)
	}
	if err := s.sameText(root, 4); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(root, "000004", "sample.cls"), []byte("5"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.sameText(root, 4); err == nil {
		t.Error("no error for a changed sample")
	}
}

func TestSame(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, s drawn) string {
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

func TestQuantile(t *testing.T) {
	x := []float64{5, 1, 4, 2, 3}
	for part, want := range map[float64]float64{0: 1, 0.2: 1, 0.21: 2, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(x, part); got != want {
			t.Errorf("quantile(%v, %v) = %v, want %v", x, part, got, want)
		}
	}
}

// The gzip that is timed decodes to the right bytes, and a wrong length is noticed.
func TestCheckGzip(t *testing.T) {
	b, s := benchIn(t.TempDir()), prose(300)
	name, err := b.draw(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkGzip(name, 1, 2, s.size()); err != nil {
		t.Error(err)
	}
	if err := checkGzip(name, 1, 2, s.size()+1); err == nil {
		t.Error("no error for another length")
	}
}

// Reads of a shard are compared with its tar.
func TestReads(t *testing.T) {
	b, s := benchIn(t.TempDir()), jpegs(4)
	name, err := b.compressed(t.Context(), s)
	if errors.Is(err, exec.ErrNotFound) {
		skip.Without(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	sh, err := shard.Open(t.Context(), name, shard.Options{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sh.Close()
	plain, err := os.Open(b.shared(s.name))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if took, err := timeReads(sh, plain, 10, 100<<10); err != nil || len(took) != 10 {
		t.Errorf("timeReads = %v, %v", took, err)
	}
	if _, err := timeReads(sh, strings.NewReader(strings.Repeat("x", int(s.size()))), 10, 100<<10); err == nil {
		t.Error("timeReads does not notice wrong bytes")
	}
	for workers := range 3 {
		if _, err := timeInOrder(sh, workers); err != nil {
			t.Error(err)
		}
	}
}

func TestHollow(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h, err := newHollow(filepath.Join(dir, "a.tar"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.open(t.Context()); err != nil {
		t.Error(err)
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

// asPPM lists the members that the picture job makes.
func TestAsPPM(t *testing.T) {
	got := asPPM("a.cls 1\na.jpg 70000\na.json 40\nb.cls 2\nb.jpg 80000\nb.json 41\n")
	if want := "a.cls 1\na.json 40\na.ppm 921615\nb.cls 2\nb.json 41\nb.ppm 921615\n"; got != want {
		t.Errorf("asPPM = %q, want %q", got, want)
	}
}

// A file that exists only for a moment is noticed.
func TestPeakOf(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		skip.Without(t, "a file system of its own: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	synctest.Test(t, func(t *testing.T) { // the clock advances only while the work sleeps
		const size = 4 << 20
		peak, err := peakOf(dir, func() error {
			name := filepath.Join(dir, "a")
			if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond)
			return os.Remove(name)
		})
		if err != nil || peak < size || peak > size+64<<10 {
			t.Errorf("peakOf = %.0f, %v, want %d", peak, err, size)
		}
	})
}

// The processor time of a trial is that of the programs that it starts.
func TestMetered(t *testing.T) {
	m := metered(command(timed("a", work{}), "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"),
		timed("a/cpu", work{}))
	values, err := m.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(values) != 2 || values[1] <= 0 {
		t.Errorf("values = %v", values)
	}
}
