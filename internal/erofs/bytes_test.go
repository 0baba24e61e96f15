package erofs

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/oddshards"
	"github.com/shardfs/shardfs/internal/view"
)

// TestBytes compares Bytes with the plain bytes, and what is after them with the sparse members.
func TestBytes(t *testing.T) {
	n := 0
	for _, odd := range oddshards.All() {
		if !strings.HasPrefix(odd.Name, "sparse") && odd.Name != "size-zero" {
			continue
		}
		name := filepath.Join(t.TempDir(), filepath.Base(odd.Files[0].Path))
		check(t, os.WriteFile(name, odd.Files[0].Data, 0o600))
		v := open(t, name)
		m := imageOf(t, v, Options{})
		b := m.Bytes()
		plain := make([]byte, v.Shard.Plain())
		k, err := b.ReadAt(t.Context(), plain, 0)
		check(t, err)
		if !bytes.Equal(plain[:k], odd.Files[0].Data) {
			t.Errorf("%s: %d plain bytes differ", odd.Name, k)
		}
		all := make([]byte, b.Size())
		k, err = b.ReadAt(t.Context(), all, 0)
		check(t, err)
		if int64(k) != b.Size() {
			t.Errorf("%s: %d bytes, want %d", odd.Name, k, b.Size())
		}
		for range 100 {
			off := rand.Int64N(b.Size())
			part := make([]byte, rand.IntN(20_000))
			k, err := b.ReadAt(t.Context(), part, off)
			check(t, err)
			if want := all[off:min(off+int64(len(part)), b.Size())]; !bytes.Equal(part[:k], want) {
				t.Fatalf("%s: %d bytes at %d differ", odd.Name, len(part), off)
			}
		}
		for _, s := range m.sparse {
			n++
			_, size := m.x.Content(s.row)
			want := make([]byte, size)
			_, err := v.ReadAt(t.Context(), view.MemberIno(s.row), want, 0)
			check(t, err)
			got, at := make([]byte, size), s.at
			for k := range m.stored(&s) {
				copy(got[k*s.chunk():], all[at:at+s.chunk()])
				at += s.chunk()
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: row %d differs", odd.Name, s.row)
			}
		}
	}
	if n < 4 {
		t.Errorf("only %d members with holes", n)
	}
}

// A shard that is written to after it was opened gives no bytes, and one that was cut neither.
func TestBytesOfChangedShard(t *testing.T) {
	for name, change := range map[string]func(name string) error{
		"written": func(name string) error {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("other"), 512)
			return errors.Join(err, os.Chtimes(name, shardTime(), shardTime()), f.Close())
		},
		"cut": func(name string) error { return os.Truncate(name, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			v := viewOf(t, some("a.txt", "b.txt"))
			b := imageOf(t, v, Options{}).Bytes()
			check(t, change(v.Shard.Path()))
			n, err := b.ReadAt(t.Context(), make([]byte, 2048), 0)
			if !errors.Is(err, view.ErrShard) || n != 0 {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// A member of more than a chunk of 2 GiB, beyond the place that 32 bits of bytes reach, and one with many holes.
func TestMountLarge(t *testing.T) {
	in := needErofs(t)
	name := filepath.Join(in, "large.tar")
	f, err := os.Create(name)
	check(t, err)
	w := tar.NewWriter(f)
	const size = 9<<30 + 700
	header := &tar.Header{Name: "a.bin", Size: size, Mode: 0o644, ModTime: shardTime(), Format: tar.FormatGNU}
	check(t, w.WriteHeader(header))
	at, err := f.Seek(0, io.SeekCurrent)
	check(t, err)
	places := []int64{0, 2<<30 - 5, 4<<30 - 5, 8<<30 - 5, size - 10}
	for i, off := range places {
		_, err := f.WriteAt(fmt.Appendf(nil, "place %03d", i), at+off)
		check(t, err)
	}
	_, err = f.Seek(at+(size+511)&^511, io.SeekStart)
	check(t, err)
	w = tar.NewWriter(f)
	check(t, w.WriteHeader(&tar.Header{Name: "b.txt", Size: 5, Mode: 0o644, ModTime: shardTime()}))
	_, err = w.Write([]byte("after"))
	check(t, errors.Join(err, w.Close(), f.Close()))

	v := open(t, name)
	dir := mounted(t, in, imageOf(t, v, Options{}), name)
	compare(t, dir, v, Options{})
	g, err := os.Open(filepath.Join(dir, "a/sample.bin"))
	check(t, err)
	defer g.Close()
	for i, off := range places {
		got := make([]byte, 9)
		if _, err := g.ReadAt(got, off); err != nil || string(got) != fmt.Sprintf("place %03d", i) {
			t.Errorf("at %d: %q, %v", off, got, err)
		}
	}
}

// Holes of a sparse member are holes of its file as far as chunks allow.
func TestMountHoles(t *testing.T) {
	in := needErofs(t)
	for _, odd := range oddshards.All() {
		if odd.Name != "sparse-gnu" {
			continue
		}
		name := filepath.Join(in, "holes.tar")
		check(t, os.WriteFile(name, odd.Files[0].Data, 0o600))
		v := open(t, name)
		m := imageOf(t, v, Options{})
		if m.InShard() {
			t.Error("all contents are said to be in the shard")
		}
		dir := mounted(t, in, m, "")
		compare(t, dir, v, Options{})
		row := m.sparse[0].row
		ino, path := view.MemberIno(row), ""
		for parent := ino; parent != view.Root; {
			var name string
			parent, name = v.Location(parent)
			path = filepath.Join(name, path)
		}
		f, err := os.Open(filepath.Join(dir, path))
		check(t, err)
		data, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA)
		want, ok := v.Data(ino, 0)
		if ok && (err != nil || data > want.Off) {
			t.Errorf("the first data is at %d, %v, want at most %d", data, err, want.Off)
		}
		check(t, f.Close())
	}
}

// What EROFS cannot address is refused: a member with more holes than it has chunks for.
func TestUnsuited(t *testing.T) {
	for size, want := range map[int64]error{
		1 << 20: nil, 1<<20 + 1: nil, 1 << 39: nil, 1 << 48: nil, 1<<48 + 1: ErrUnsuited, 1 << 62: ErrUnsuited,
	} {
		name := filepath.Join(t.TempDir(), "shard.tar")
		check(t, os.WriteFile(name, sparseTar(t, size), 0o600))
		m, err := New(open(t, name), Options{})
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", size, err, want)
		}
		if want != nil || err != nil {
			continue
		}
		got := make([]byte, sparseUnit)
		_, err = m.ReadAt(got, m.at.sparse)
		check(t, err)
	}
}

// sparseTar returns a tar with a member that has size bytes, all in a hole but for the first four.
func sparseTar(t *testing.T, size int64) []byte {
	t.Helper()
	records := ""
	for _, record := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=a.bin",
		fmt.Sprintf("GNU.sparse.realsize=%d", size)} {
		n := len(record) + len(" \n") + 2 // two digits
		records += fmt.Sprintf("%d %s\n", n, record)
	}
	content := append(padded("1\n0\n4\n"), padded("data")...)
	return slices.Concat(tarHeader('x', "pax", len(records)), padded(records),
		tarHeader('0', "a.bin", 512+4), content, make([]byte, 1024))
}

// padded returns a text with zeros up to the end of a block.
func padded(text string) []byte { return append([]byte(text), make([]byte, -len(text)&511)...) }

// tarHeader returns a header block.
func tarHeader(kind byte, name string, size int) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00        ", 0o644, 0, 0, size, 1700000000))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}
