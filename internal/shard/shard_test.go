package shard

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// local is the store that shards are in here.
var local file.Store

// makeTar returns a tar of n samples with two members each: a number, and this many bytes that compress to half.
func makeTar(t testing.TB, n, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	random := rand.NewChaCha8([32]byte{})
	add := func(name string, content []byte) {
		h := tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		content := make([]byte, size)
		random.Read(content)
		for i := range content {
			content[i] &= 0x0f
		}
		add(fmt.Sprintf("%04d.cls", i), fmt.Append(nil, i))
		add(fmt.Sprintf("%04d.bin", i), content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zip returns the gzip of some bytes, one member each.
func zip(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&b)
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// save writes a shard to a file and returns its name.
func save(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "train-0000.tar")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func mustOpen(t testing.TB, name string, o Options) *Shard {
	t.Helper()
	s, err := Open(t.Context(), name, o)
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

// checkBytes checks that a shard has these plain bytes, read from front to back and at odd places.
func checkBytes(t testing.TB, s *Shard, plain []byte) {
	t.Helper()
	if s.Plain() != int64(len(plain)) {
		t.Errorf("%d plain bytes, want %d", s.Plain(), len(plain))
	}
	if got, err := io.ReadAll(io.NewSectionReader(s.Reader(t.Context()), 0, s.Plain())); err != nil ||
		!bytes.Equal(got, plain) {
		t.Errorf("%d other bytes than the %d wanted, %v", len(got), len(plain), err)
	}
	for row := s.Index.Rows() - 1; row >= 0; row -= max(1, s.Index.Rows()/16) {
		data, size := s.Index.Content(row)
		got := make([]byte, size)
		if n, err := s.Reader(t.Context()).ReadAt(got, data); n != len(got) || err != nil && err != io.EOF ||
			!bytes.Equal(got, plain[data:data+size]) {
			t.Fatalf("content of row %d: %d bytes, %v", row, n, err)
		}
	}
}

func TestOpen(t *testing.T) {
	plain := makeTar(t, 60, 60_000)
	half := len(plain) / 2
	for _, tt := range []struct {
		story  string
		stored []byte
		format codec.Format
	}{
		{"plain", plain, codec.Plain},
		{"gzip", zip(t, plain), codec.Gzip},
		{"gzip of two members", zip(t, plain[:half], plain[half:]), codec.Gzip},
	} {
		name := save(t, tt.stored)
		var last int64
		s := mustOpen(t, name, Options{Progress: func(read, size int64) {
			if read < last || read > size || size != int64(len(tt.stored)) {
				t.Errorf("%s: progress from byte %d to %d", tt.story, last, read)
			}
			last = read
		}})
		if s.Format != tt.format || !s.Indexed || s.trailing != 0 || s.Cut != "" || s.Index.Samples() != 60 {
			t.Errorf("%s: %+v", tt.story, s.file)
		}
		if s.Name != name {
			t.Errorf("%s: its name is %s", tt.story, s.Name)
		}
		if tt.format == codec.Gzip && (last != int64(len(tt.stored)) || s.Checkpoints() < 2) {
			t.Errorf("%s: progress up to byte %d of %d, %d checkpoints", tt.story, last, len(tt.stored),
				s.Checkpoints())
		}
		source := s.Reader(t.Context()).(store.Bound).Source()
		if _, inFile := source.(*file.Object); inFile != (tt.format == codec.Plain) {
			t.Errorf("%s: its bytes are a %T", tt.story, source)
		}
		checkBytes(t, s, plain)
	}
}

// Bytes after the end marker are kept if they belong to the tar, and counted if they do not.
func TestOpenTrailing(t *testing.T) {
	plain := makeTar(t, 3, 10)
	tail := append(bytes.Clone(plain), "what follows"...)
	for _, tt := range []struct {
		story    string
		stored   []byte
		plain    []byte
		trailing int64
	}{
		{"after a tar", tail, tail, 0},
		{"after a tar, in gzip", zip(t, tail), tail, 0},
		{"after a tar, in another member of gzip", zip(t, plain, []byte("what follows")), tail, 0},
		{"after gzip", append(zip(t, plain), "garbage"...), plain, 7},
		{"zeros after gzip", append(zip(t, plain), make([]byte, 1000)...), plain, 0},
	} {
		s := mustOpen(t, save(t, tt.stored), Options{})
		if s.trailing != tt.trailing {
			t.Errorf("%s: %d bytes do not belong to it, want %d", tt.story, s.trailing, tt.trailing)
		}
		checkBytes(t, s, tt.plain)
	}
}

func TestOpenErrors(t *testing.T) {
	plain := makeTar(t, 10, 1000)
	zipped := zip(t, plain)
	for _, tt := range []struct {
		story  string
		stored []byte
		want   error
		text   string
	}{
		{"empty", nil, index.ErrNotTar, "the file is empty"},
		{"no tar", []byte("hello"), index.ErrNotTar, ""},
		{"no tar in gzip", zip(t, []byte("hello")), index.ErrNotTar, ""},
		{"nothing in gzip", zip(t, nil), index.ErrNotTar, ""},
		{"zstd with a dictionary", []byte("\x28\xb5\x2f\xfd123456789"), codec.ErrLimit, "compressed byte 0"},
		{"bzip2 cut", []byte("BZh91AY&SY123456789"), index.ErrTruncated, "compressed byte 19"},
		{"xz damaged", []byte("\xfd7zXZ\x00123456789"), codec.ErrDamaged, "compressed byte 0"},
		{"lz4 with unknown flags", []byte("\x04\x22\x4d\x18123456789"), codec.ErrLimit, "compressed byte 0"},
		{"cut", plain[:5000], index.ErrTruncated, "member "},
		{"a header damaged", flipped(plain, int(mustIndex(t, plain).Offset(4))), index.ErrDamaged, "member 4 at byte "},
		{"gzip cut", zipped[:len(zipped)/2], index.ErrTruncated, "compressed byte "},
		{"gzip cut in its trailer", zipped[:len(zipped)-3], index.ErrTruncated, "compressed byte "},
		{"gzip cut in its header", zipped[:5], index.ErrTruncated, "compressed byte "},
		{"gzip damaged", slices.Concat(zipped[:10], []byte{0x07}, zipped[11:]), codec.ErrDamaged, "compressed byte "},
		{"gzip with another checksum", flipped(zipped, len(zipped)-6), codec.ErrDamaged, "CRC32"},
		{"a tar cut in gzip that is whole", zip(t, plain[:5000]), index.ErrTruncated, "member "},
	} {
		name := save(t, tt.stored)
		for _, indexFile := range []string{"", filepath.Join(t.TempDir(), "index")} {
			_, err := Open(t.Context(), name, Options{IndexFile: indexFile})
			if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), name+": ") ||
				!strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: %v, want %s: ... %v ... %s", tt.story, err, name, tt.want, tt.text)
			}
			if _, err := os.Lstat(indexFile); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: an index file: %v", tt.story, err)
			}
		}
	}
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), name, Options{}); !errors.Is(err, store.ErrNotRegular) {
		t.Errorf("a FIFO: %v, want %v", err, store.ErrNotRegular)
	}
	_, err := Open(t.Context(), "https://user:secret@host/a.tar?secret", Options{})
	if !errors.Is(err, store.ErrScheme) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a URL: %v", err)
	}
}

func mustIndex(t testing.TB, plain []byte) *index.Index {
	t.Helper()
	x, err := index.Build(bytes.NewReader(plain), index.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// With AllowTruncated, the whole samples before a cut or damage are served, with the reason in Cut.
func TestOpenAllowTruncated(t *testing.T) {
	plain := makeTar(t, 10, 30_000)
	zipped := zip(t, plain)
	damaged := slices.Concat(zipped[:len(zipped)/2], bytes.Repeat([]byte{0xff}, 100), zipped[len(zipped)/2:])
	wrongSum := bytes.Clone(zipped)
	wrongSum[len(wrongSum)-6] ^= 0x10
	for _, tt := range []struct {
		story   string
		stored  []byte
		samples int
		reason  string
	}{
		{"whole", plain, 10, ""},
		{"cut", plain[:len(plain)/2], 5, "truncated shard"},
		{"cut between the end blocks", plain[:len(plain)-512], 10, "truncated shard"},
		{"gzip cut", zipped[:len(zipped)/2], 4, "truncated shard"},
		{"gzip damaged", damaged, 4, "damaged compressed data"},
		{"gzip cut in its trailer", zipped[:len(zipped)-3], 10, "truncated shard"},
		{"gzip with another checksum", wrongSum, 10, "damaged compressed data"},
	} {
		name := save(t, tt.stored)
		o := Options{AllowTruncated: true, IndexFile: filepath.Join(t.TempDir(), "index")}
		for _, indexed := range []bool{true, false} {
			s := mustOpen(t, name, o)
			if s.Index.Samples() != tt.samples || s.Indexed != indexed || !strings.Contains(s.Cut, tt.reason) ||
				(s.Cut == "") != (tt.reason == "") {
				t.Errorf("%s: %d samples, indexed %v, because %q, want %d, %v, %q",
					tt.story, s.Index.Samples(), s.Indexed, s.Cut, tt.samples, indexed, tt.reason)
			}
			for row := range s.Index.Rows() {
				data, size := s.Index.Content(row)
				got := make([]byte, size)
				if n, err := s.ReadAt(t.Context(), got, data); n != len(got) ||
					!bytes.Equal(got, plain[data:data+size]) {
					t.Errorf("%s: content of row %d: %d bytes, %v", tt.story, row, n, err)
				}
			}
		}
		// An index file of part of a shard is none for the whole of it.
		o.AllowTruncated = false
		s, err := Open(t.Context(), name, o)
		if (err == nil) != (tt.reason == "") {
			t.Errorf("%s: opened as a whole: %v", tt.story, err)
		}
		_, want := Open(t.Context(), name, Options{})
		if err != nil && err.Error() != want.Error() {
			t.Errorf("%s: with an index file: %v, without: %v", tt.story, err, want)
		}
		if err == nil {
			s.Close()
		}
	}
	if _, err := Open(t.Context(), save(t, []byte("hello")), Options{AllowTruncated: true}); !errors.Is(err,
		index.ErrNotTar) {
		t.Errorf("no tar: %v, want %v", err, index.ErrNotTar)
	}
}

// An index file is used while the shard is the same, and rewritten when the shard has changed or the file is damaged.
func TestOpenIndexFile(t *testing.T) {
	plain := makeTar(t, 20, 3000)
	other := makeTar(t, 21, 3000)
	for _, stored := range [][]byte{plain, zip(t, plain)} {
		name := save(t, stored)
		file := filepath.Join(t.TempDir(), "index")
		open := func(story string, samples int, indexed bool) {
			t.Helper()
			s := mustOpen(t, name, Options{IndexFile: file})
			if s.Index.Samples() != samples || s.Indexed != indexed {
				t.Errorf("%s: %d samples, indexed %v, want %d, %v", story, s.Index.Samples(), s.Indexed,
					samples, indexed)
			}
			if s.Plain() == int64(len(plain)) {
				checkBytes(t, s, plain)
			}
		}
		change := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(name)
		change(err)
		mtime := info.ModTime()

		open("first", 20, true)
		open("again", 20, false)
		change(os.Chtimes(name, mtime, mtime.Add(time.Nanosecond)))
		open("another time", 20, true)
		open("again", 20, false)
		change(os.WriteFile(name, append(bytes.Clone(stored), 0), 0o644))
		change(os.Chtimes(name, mtime, mtime))
		open("another size", 20, true)
		change(os.WriteFile(name+".new", append(bytes.Clone(stored), 0), 0o644))
		change(os.Chtimes(name+".new", mtime, mtime))
		change(os.Rename(name+".new", name))
		open("another file of the same size and time", 20, true)
		change(os.WriteFile(name, other, 0o644))
		open("another shard", 21, true)
		open("again", 21, false)
		change(os.WriteFile(name, stored, 0o644))
		open("the first one again", 20, true)

		whole, err := os.ReadFile(file)
		change(err)
		for _, at := range []int{0, 20, len(whole) / 2, len(whole) - 1} {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 1
			change(os.WriteFile(file, damaged, 0o644))
			s := mustOpen(t, name, Options{IndexFile: file}) // which may find out only now
			if s.Index.Samples() != 20 || s.Index.Key(19) != "0019" {
				t.Errorf("byte %d of the index file changed: %d samples, the last is %s", at, s.Index.Samples(),
					s.Index.Key(19))
			}
			checkBytes(t, s, plain)
			change(os.WriteFile(file, whole[:at], 0o644))
			open(fmt.Sprintf("the index file cut at byte %d", at), 20, true)
			open("again", 20, false)
		}
		change(os.Remove(file))
		open("the index file removed", 20, true)
	}
}

// An index file is never read through a link or from a FIFO, and never replaces another file.
func TestOpenOddIndexFile(t *testing.T) {
	name := save(t, makeTar(t, 2, 10))
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	mustOpen(t, name, Options{IndexFile: path("index")})
	if err := errors.Join(os.Symlink("index", path("link")), unix.Mkfifo(path("fifo"), 0o644),
		os.Mkdir(path("dir"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		file string
		want error
	}{
		{path("link"), store.ErrNotRegular},
		{path("fifo"), store.ErrNotRegular},
		{path("dir"), store.ErrNotRegular},
		{path("nowhere/index"), store.ErrNoDir},
	} {
		done := make(chan error, 1)
		go func() {
			s, err := Open(t.Context(), name, Options{IndexFile: tt.file})
			if err == nil {
				s.Close()
			}
			done <- err
		}()
		err := testtime.Receive(t, done, "an error of "+tt.file)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "write index: ") {
			t.Errorf("%s: %v, want %v", tt.file, err, tt.want)
		}
	}
}

// The shards in use are read, each grouped as their writer meant it. They are no part of the repository.
func TestOpenReal(t *testing.T) {
	const data = "../../../shared/data"
	for _, tt := range []struct {
		name    string
		samples int
		first   string // its key and files
		others  int
	}{
		{"tarproc-sample.tar", 90, "10: sample.cls sample.png", 0},
		{"wds-compressed.tar", 3, "compressed/0001: sample.txt.gz", 1},
		{"wds-sample.tgz", 90, "10: sample.cls sample.png", 0},
		{"wds-testgz.tar", 1000, "71671c5e285c455c892fb565330233ba: sample.txt.gz", 0},
	} {
		name := filepath.Join(data, tt.name)
		if _, err := os.Stat(name); err != nil {
			skip.Without(t, "the shards in use, which are no part of the repository: %v", err)
		}
		s := mustOpen(t, name, Options{})
		sample := s.Index.Sample(0)
		first := sample.Key + ":"
		for row := sample.Start; row < sample.End; row++ {
			first += " " + s.Index.FileName(row)
		}
		if s.Index.Samples() != tt.samples || s.Index.Outside() != tt.others || first != tt.first {
			t.Errorf("%s: %d samples, %d others, first %s", tt.name, s.Index.Samples(), s.Index.Outside(), first)
		}
	}
}
