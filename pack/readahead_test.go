package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// filesIn yields n samples of m files each, and then an error if that is not nil.
func filesIn(t *testing.T, n, m, size int, err error) iter.Seq2[Sample, error] {
	t.Helper()
	dir := t.TempDir()
	for i := range n * m {
		content := strings.Repeat(fmt.Sprint(i), size)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(yield func(Sample, error) bool) {
		for i := range n {
			var members []Member
			for j := range m {
				name := filepath.Join(dir, fmt.Sprint(i*m+j))
				members = append(members, FileMember(fmt.Sprint(j), func() (fs.File, error) { return os.Open(name) }))
			}
			if !yield(New(fmt.Sprint(i), members), nil) {
				return
			}
		}
		if err != nil {
			yield(Sample{}, err)
		}
	}
}

// packedBytes packs samples.
func packedBytes(samples iter.Seq2[Sample, error]) ([]byte, error) {
	var b bytes.Buffer
	w := NewWriter(&b, Options{Times: FixedTime, Fixed: time.Unix(1e9, 0)})
	if err := Pack(context.Background(), w, samples); err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}

// Reading ahead changes no byte, whatever the numbers of samples and files, and large files are not held.
func TestReadAhead(t *testing.T) {
	for _, tt := range []struct{ samples, files, size int }{
		{0, 0, 0}, {1, 1, 0}, {3, 0, 0}, {2000, 1, 3}, {40, 100, 1}, {20, 3, fileAhead},
	} {
		samples := filesIn(t, tt.samples, tt.files, tt.size, nil)
		want, err := packedBytes(samples)
		if err != nil {
			t.Fatal(err)
		}
		got, err := packedBytes(ReadAhead(samples))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: other bytes, %v", tt, err)
		}
	}
	for s := range ReadAhead(filesIn(t, 20, 50, 10, nil)) {
		for _, m := range s.Members() {
			if m.File.Size == 0 || m.File.ModTime.IsZero() {
				t.Fatalf("%s.%s has size %d and time %v", s.Key, m.Ext, m.File.Size, m.File.ModTime)
			}
		}
	}
}

func TestReadAheadErrors(t *testing.T) {
	broken := errors.New("broken")
	n := 0
	for s, err := range ReadAhead(filesIn(t, 100, 1, 1, broken)) {
		switch {
		case err == nil && n < 100 && s.Key == fmt.Sprint(n):
			n++
		case n != 100 || !errors.Is(err, broken):
			t.Fatalf("after %d samples: %v, %v", n, s.Key, err)
		}
	}
	if n != 100 {
		t.Errorf("%d samples", n)
	}
	for range ReadAhead(filesIn(t, 1000, 1, 1, nil)) {
		break // ends the readers
	}
	missing := New("a", []Member{FileMember("x", func() (fs.File, error) { return nil, fs.ErrNotExist })})
	_, err := packedBytes(ReadAhead(func(yield func(Sample, error) bool) { yield(missing, nil) }))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
}

// Members of text have the time of the first file of their sample.
func TestTextMemberTime(t *testing.T) {
	want := time.Unix(1234567890, 0)
	name := filepath.Join(t.TempDir(), "a")
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Chtimes(name, want, want)); err != nil {
		t.Fatal(err)
	}
	file := FileMember("b", func() (fs.File, error) { return os.Open(name) })
	s := New("k", []Member{TextMember("a", []byte("text")), file})
	for _, times := range []Times{SampleTime, FileTime} {
		var b bytes.Buffer
		w := NewWriter(&b, Options{Times: times})
		err := Pack(context.Background(), w, ReadAhead(func(yield func(Sample, error) bool) { yield(s, nil) }))
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		h, err := tar.NewReader(&b).Next()
		if err != nil || h.Name != "k.a" || !h.ModTime.Equal(want) {
			t.Errorf("%s %v, %v", h.Name, h.ModTime, err)
		}
	}
}
