package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// An output that copies long runs itself gets all bytes in order, and its errors are returned.
func TestSinkRanges(t *testing.T) {
	var names []string
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		names = append(names, key+".x")
	}
	s := newShard(t, makeTar(t, tar.FormatUSTAR, names...))
	long := strings.Repeat("long", longRange/2)
	plain, _, err := packed(s.base, s.dirs(changes{"b": {write("sample.x", long)}, "e": {write("sample.x", long)}}),
		Options{})
	if err != nil {
		t.Fatal(err)
	}
	s = newShard(t, plain)
	c := changes{"c": {write("sample.y", long)}, "d": {write("sample.y", "short")}, "f": dropped}
	want, _ := mustPack(t, s.base, s.dirs(c), Options{})
	var out copier
	w := NewWriter(&out, Options{})
	if err := errors.Join(Pack(context.Background(), w, All(s.base, s.dirs(c))), w.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) || out.ranges != 2 {
		t.Errorf("%d bytes in %d ranges, want the same %d in 2", out.Len(), out.ranges, len(want))
	}
	full := errors.New("disk full")
	for room := 0; room < len(want); room += len(want)/50 + 1 {
		w := NewWriter(fullCopier{&limitedWriter{room, full}}, Options{})
		err := Pack(context.Background(), w, All(s.base, s.dirs(c)))
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, full) {
			t.Fatalf("with room for %d bytes of %d: %v, want %v", room, len(want), err, full)
		}
	}
	s.base.Plain = bytes.NewReader(s.plain[:600])
	w = NewWriter(&out, Options{})
	if err := Pack(context.Background(), w, All(s.base, s.dirs(c))); err == nil {
		t.Error("a shard that is too short, and no error")
	}
}

// A long run of unchanged samples is copied while they are written: the caller shows how far it has come.
func TestLongRun(t *testing.T) {
	var plain bytes.Buffer
	tw := tar.NewWriter(&plain)
	content := make([]byte, mostRun/2)
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		err := tw.WriteHeader(&tar.Header{Name: key + ".x", Mode: 0o644, Size: int64(len(content))})
		if _, writeErr := tw.Write(content); err != nil || writeErr != nil {
			t.Fatal(err, writeErr)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	s := newShard(t, plain.Bytes())
	var out bytes.Buffer
	w := NewWriter(struct{ io.Writer }{&out}, Options{})
	for sample, err := range Shard(s.base) {
		if err := errors.Join(err, w.Write(sample)); err != nil {
			t.Fatal(err)
		}
		if behind := w.Size() - int64(out.Len()); behind >= mostRun {
			t.Errorf("after sample %q: %d bytes are not copied yet", sample.Key, behind)
		}
	}
	if err := w.Close(); err != nil || !bytes.Equal(out.Bytes(), s.plain) {
		t.Errorf("%d bytes, %v, want the same %d", out.Len(), err, len(s.plain))
	}
}

// fullCopier is an output with CopyRange and little space.
type fullCopier struct{ *limitedWriter }

func (c fullCopier) CopyRange(src io.ReaderAt, off, n int64) error {
	_, err := io.Copy(c, io.NewSectionReader(src, off, n))
	return err
}
