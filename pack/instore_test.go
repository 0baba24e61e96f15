package pack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/shardfs/shardfs/index"
)

// readCounter counts the reads of a shard.
type readCounter struct {
	io.ReaderAt
	reads int
}

func (c *readCounter) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.ReaderAt.ReadAt(p, off)
}

// storeCopier is an output that copies bytes of a shard without reading them.
type storeCopier struct {
	bytes.Buffer
	of []byte
}

func (c *storeCopier) CopyRange(_ io.ReaderAt, off, n int64) error {
	c.Write(c.of[off : off+n])
	return nil
}

// The bytes of a shard that are copied in its store are not read, but for the headers at both ends of each stretch, and an
// index file that is false there is found out.
func TestPackInStore(t *testing.T) {
	var b bytes.Buffer
	made := tar.NewWriter(&b)
	for _, name := range []string{"a.jpg", "a.cls", "b.jpg", "b.cls", "c.jpg", "c.cls"} {
		h := &tar.Header{Name: name, Size: longRange, Mode: 0o644, ModTime: mtime}
		if err := errors.Join(made.WriteHeader(h), second(made.Write(make([]byte, h.Size)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	plain := b.Bytes()
	s := newShard(t, plain)
	var saved bytes.Buffer
	if err := (&index.File{Index: s.base.Index}).Write(&saved); err != nil {
		t.Fatal(err)
	}
	f, err := index.Decode(saved.Bytes(), func() (*index.File, error) { return nil, errors.New("no shard") })
	if err != nil {
		t.Fatal(err)
	}
	run := func(of []byte, keep ...string) ([]byte, int, error) {
		fresh, err := index.Decode(saved.Bytes(), func() (*index.File, error) { return nil, errors.New("no shard") })
		if err != nil {
			t.Fatal(err)
		}
		in := &readCounter{ReaderAt: bytes.NewReader(of)}
		out := &storeCopier{of: of}
		w := NewWriter(out, Options{})
		for sample, err := range Shard(Base{Index: fresh.Index, Plain: in, Size: int64(len(of)), InStore: true}) {
			if err == nil && (len(keep) == 0 || sample.Empty() || slices.Contains(keep, sample.Key)) {
				err = w.Write(sample)
			}
			if err != nil {
				return nil, in.reads, err
			}
		}
		err = w.Close()
		return out.Bytes(), in.reads, err
	}
	got, reads, err := run(plain)
	if err != nil || !bytes.Equal(got, plain) || reads > 4 {
		t.Errorf("the whole shard: %d bytes of %d, %d reads, %v", len(got), len(plain), reads, err)
	}
	// The header of the second sample is another: it is inside the first stretch, at the end of the second one, and at the
	// beginning of the third one.
	off := f.Index.Offset(2)
	other := bytes.Clone(plain)
	copy(other[off:], plain[:index.BlockSize])
	if got, _, err := run(other); err != nil || !bytes.Equal(got, other) {
		t.Errorf("bytes inside a stretch are copied as they are: %v", err)
	}
	for _, keep := range []string{"a", "b"} {
		if _, _, err := run(other, keep); !errors.Is(err, index.ErrStale) {
			t.Errorf("the index is false at an end of %s: %v", keep, err)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }
