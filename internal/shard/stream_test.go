package shard

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// entry is one row of an index, as a stream and a file must agree on it.
type entry struct {
	member index.Member
	key    string // "" outside samples
	file   string
	other  string
}

func entries(x *index.Index) (list []entry) {
	for row := range x.Rows() {
		e := entry{member: x.Member(row), other: x.OutsideName(row)}
		e.member.Row = 0
		if e.member.InSample {
			e.key, e.file = x.Key(x.SampleOfRow(row)), x.FileName(row)
		}
		list = append(list, e)
	}
	return list
}

// openStream returns the stream of some bytes, which come in small pieces.
func openStream(t *testing.T, stored []byte) *Stream {
	t.Helper()
	s, err := NewStream(struct{ io.Reader }{bytes.NewReader(stored)}, "-", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The pieces of a stream together equal the index of the same bytes in a file.
func TestStream(t *testing.T) {
	for story, plain := range map[string][]byte{
		"samples":  makeTar(t, 50, 3000),
		"empty":    makeTar(t, 0, 0),
		"trailing": append(makeTar(t, 3, 10), strings.Repeat("beyond", 1000)...),
		"odd":      oddTar(t),
	} {
		for _, stored := range [][]byte{plain, zip(t, plain)} {
			s := openStream(t, stored)
			whole := mustIndex(t, plain)
			var got []entry
			var end int64
			samples := 0
			for x, err := range s.Samples() {
				if err != nil {
					t.Fatalf("%s: %v", story, err)
				}
				if x.Samples() > 1 {
					t.Errorf("%s: a piece of %d samples", story, x.Samples())
				}
				if x.Rows() > 0 && x.Offset(0) != end {
					t.Errorf("%s: a piece begins at byte %d, the one before ends at %d", story, x.Offset(0), end)
				}
				samples += x.Samples()
				end = x.End()
				for row := range x.Rows() {
					data, size := x.Content(row)
					content := make([]byte, size)
					if n, err := s.ReadAt(content, data); n != len(content) ||
						!bytes.Equal(content, plain[data:data+size]) {
						t.Errorf("%s: content at byte %d: %d bytes, %v", story, data, n, err)
					}
				}
				got = append(got, entries(x)...)
			}
			if want := entries(whole); !slices.Equal(got, want) || samples != whole.Samples() || end != whole.End() {
				t.Errorf("%s: %v to byte %d, want %v to byte %d", story, got, end, want, whole.End())
			}
			if s.Size() != int64(len(plain)) {
				t.Errorf("%s: %d bytes, want %d", story, s.Size(), len(plain))
			}
		}
	}
}

// oddTar returns a tar with everything that is no sample around two samples of one key and one between.
func oddTar(t *testing.T) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"d/", "README", "a.x", "LICENSE", "a.x", "a.y", "e/", "b.x", "a.x",
		"__meta__/x.y", "f/"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A piece of a stream is yielded as soon as the first member of the next sample is there, not at the end of the stream.
func TestStreamIsPrompt(t *testing.T) {
	plain := makeTar(t, 2, 10)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	whole := mustIndex(t, plain)
	if _, err := w.Write(plain[:whole.Member(whole.Sample(1).Start).End]); err != nil {
		t.Fatal(err)
	}
	s, err := NewStream(r, "-", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pieces := 0
	for _, err = range s.Samples() {
		if pieces++; err == nil {
			w.Close() // a stream that waited for its end would not come here
		}
	}
	if pieces != 2 || !errors.Is(err, index.ErrTruncated) {
		t.Errorf("%d pieces, %v", pieces, err)
	}
}

// Freed bytes are returned to the file system, and the rest can still be read.
func TestStreamFree(t *testing.T) {
	plain := makeTar(t, 64, 1<<18)
	s := openStream(t, plain)
	most := int64(0)
	for x, err := range s.Samples() {
		if err != nil {
			t.Fatal(err)
		}
		content := make([]byte, x.End()-x.Offset(0))
		if _, err := s.ReadAt(content, x.Offset(0)); err != nil || !bytes.Equal(content, plain[x.Offset(0):x.End()]) {
			t.Fatalf("the piece at byte %d is another, %v", x.Offset(0), err)
		}
		s.Free(x.End())
		most = max(most, room(t, s))
	}
	if most > 4<<20 {
		t.Errorf("the spool takes up to %d bytes, of a stream of %d", most, len(plain))
	}
	if s.Size() != int64(len(plain)) {
		t.Errorf("%d bytes, want %d", s.Size(), len(plain))
	}
}

// room returns how many bytes of disk a stream's spool takes.
func room(t *testing.T, s *Stream) int64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Fstat(int(s.spool.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Blocks * 512
}

// The spool has no name, so nothing is left of it however the process ends.
func TestStreamLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := NewStream(bytes.NewReader(makeTar(t, 1, 10)), "-", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A cut or damaged stream ends with an error, after the samples that are known to be whole.
func TestStreamErrors(t *testing.T) {
	plain := makeTar(t, 10, 30_000)
	zipped := zip(t, plain)
	damaged := slices.Concat(zipped[:len(zipped)/2], bytes.Repeat([]byte{0xff}, 100), zipped[len(zipped)/2:])
	wrongSum := bytes.Clone(zipped)
	wrongSum[len(wrongSum)-6] ^= 0x10
	broken := errors.New("broken pipe")
	whole := mustIndex(t, plain)
	for _, tt := range []struct {
		story   string
		stream  io.Reader
		samples int
		want    error
	}{
		{"cut", bytes.NewReader(plain[:len(plain)/2]), 4, index.ErrTruncated},
		{"cut where a sample ends", bytes.NewReader(plain[:whole.Offset(whole.Sample(5).Start)]), 4,
			index.ErrTruncated},
		{"cut before the end", bytes.NewReader(plain[:whole.End()]), 9, index.ErrTruncated},
		{"cut between the end blocks", bytes.NewReader(plain[:whole.End()+512]), 9, index.ErrTruncated},
		{"gzip cut", bytes.NewReader(zipped[:len(zipped)/2]), 4, index.ErrTruncated},
		{"gzip cut in its trailer", bytes.NewReader(zipped[:len(zipped)-3]), 9, index.ErrTruncated},
		{"gzip damaged", bytes.NewReader(damaged), 4, codec.ErrDamaged},
		{"gzip with another checksum", bytes.NewReader(wrongSum), 9, codec.ErrDamaged},
		{"a read error", io.MultiReader(bytes.NewReader(plain[:len(plain)/2]), errReader{broken}), 4, broken},
		{"no tar", strings.NewReader(strings.Repeat("hello", 1000)), 0, index.ErrNotTar},
	} {
		s, err := NewStream(tt.stream, "name", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		samples := 0
		for x, streamErr := range s.Samples() {
			if err != nil {
				t.Errorf("%s: continues after %v", tt.story, err)
			}
			if err = streamErr; err == nil {
				samples += x.Samples()
			}
		}
		if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "name: ") {
			t.Errorf("%s: %v, want name: ... %v", tt.story, err, tt.want)
		}
		if samples != tt.samples {
			t.Errorf("%s: %d samples, want %d", tt.story, samples, tt.samples)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNewStreamErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, tt := range []struct {
		story  string
		stream io.Reader
		dir    string
		want   error
	}{
		{"nothing", strings.NewReader(""), t.TempDir(), index.ErrNotTar},
		{"a read error", errReader{broken}, t.TempDir(), broken},
		{"nowhere to spool", strings.NewReader("hello"), "/dev/null", unix.ENOTDIR},
	} {
		if _, err := NewStream(tt.stream, "name", tt.dir); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.story, err, tt.want)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A full disk ends the stream.
func TestStreamDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		skip.Without(t, "a small file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	s, err := NewStream(bytes.NewReader(makeTar(t, 50, 100_000)), "name", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, err = range s.Samples() {
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v, want %v", err, unix.ENOSPC)
	}
}
