package codec

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/flate"
)

func TestGzipWriter(t *testing.T) {
	mixed := slices.Concat(
		text(300_000, 1), make([]byte, 800_000), noise(700_000, 1), jpegLike(300_000, 1), text(99, 2))
	check := func(plain []byte, level int) {
		t.Helper()
		want := compressOwn(t, plain, level, 1)
		same(t, compressOwn(t, plain, level, 2), want)
		same(t, compressOwn(t, plain, level, 5), want)
		same(t, decode(t, want), plain)
		checkSeekTable(t, want, plain)
	}
	for _, size := range []int{0, 1, 1000, segmentSize - 1, segmentSize, segmentSize + 1} {
		check(mixed[:size], 0)
	}
	for _, level := range []int{1, 6, 9} {
		check(mixed, level)
	}
}

// The output does not depend on the lengths of the writes.
func TestGzipWriterPieces(t *testing.T) {
	plain := sampleTar(t, 2<<20)
	want := compressOwn(t, plain, 1, 2)
	for _, size := range []int{10_000, 99_999, segmentSize} {
		var b bytes.Buffer
		w, err := newGzipWriter(&b, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(plain, size) {
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		same(t, b.Bytes(), want)
	}
}

// checkSeekTable reads the seek table at the end of gz as the format defines it, and decodes each segment by itself.
func checkSeekTable(t *testing.T, gz, plain []byte) {
	t.Helper()
	le := binary.LittleEndian
	tail := gz[len(gz)-10-seekTableTail:]
	if !bytes.HasSuffix(tail, []byte(seekTableMagic+deflateEnd+"\x00\x00\x00\x00\x00\x00\x00\x00")) {
		t.Fatalf("the shard ends in %q", tail)
	}
	start := len(gz) - int(le.Uint32(tail[4:]))
	table := gz[start:]

	var records []byte
	var data, size, count uint64
	uvarint := func(b *[]byte) uint64 {
		x, n := binary.Uvarint(*b)
		if n <= 0 {
			t.Fatal("bad uvarint")
		}
		*b = (*b)[n:]
		return x
	}
	for part, parts := 0, 1; part < parts; part++ {
		if string(table[:10]) != "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff" || string(table[12:14]) != "SX" {
			t.Fatalf("part %d begins with %q", part, table[:14])
		}
		n := int(le.Uint16(table[14:]))
		if le.Uint16(table[10:]) != uint16(n+4) {
			t.Fatalf("part %d: XLEN %d, LEN %d", part, le.Uint16(table[10:]), n)
		}
		payload := table[16:][:n]
		table = table[seekTableFraming+n:]
		payload, tail := payload[:n-seekTableTail], payload[n-seekTableTail:]
		if le.Uint32(tail) != crc32.ChecksumIEEE(payload) || len(gz)-int(le.Uint32(tail[4:])) != start {
			t.Fatalf("part %d: wrong tail", part)
		}
		parts = int(payload[2])
		if payload[0] != 1 || int(payload[1]) != part {
			t.Fatalf("part %d begins with %v", part, payload[:3])
		}
		payload = payload[3:]
		if part == 0 {
			data, size, count = uvarint(&payload), uvarint(&payload), uvarint(&payload)
		}
		records = append(records, payload...)
	}
	if len(table) > 0 || data != uint64(start) || size != uint64(len(plain)) {
		t.Fatalf("%d bytes after the table; data member %d, want %d; plain %d, want %d",
			len(table), data, start, size, len(plain))
	}

	in, out := uint64(len(gzipHeader)), uint64(0)
	for range count {
		n, m := uvarint(&records), uvarint(&records)
		crc := le.Uint32(records)
		records = records[4:]
		got := make([]byte, n)
		if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(gz[in:in+m])), got); err != nil {
			t.Fatal(err)
		}
		same(t, got, plain[out:out+n])
		if crc32.ChecksumIEEE(got) != crc {
			t.Fatal("wrong CRC32 of a segment")
		}
		in, out = in+m, out+n
	}
	if len(records) > 0 || in+10 != data || out != size {
		t.Fatalf("%d bytes after the records; the segments end at %d, %d", len(records), in, out)
	}
}

// A table that is too long for one header is cut between records.
func TestSeekTableParts(t *testing.T) {
	for _, tt := range []struct{ segments, members int }{{0, 1}, {6000, 1}, {7000, 2}, {30_000, 5}, {1_800_000, 0}} {
		var table seekTable
		for i := range tt.segments {
			table.add(segmentSize, segmentSize-i%1000, uint32(i))
		}
		gz := table.members(nil)
		got := 0
		if len(gz) > 0 {
			d := newGzipDecoder(nil)
			d.start(bytes.NewReader(gz), Checkpoint{Member: true})
			if n, err := io.Copy(io.Discard, d); n != 0 || err != nil || d.trailing() != 0 {
				t.Errorf("%d segments: %d bytes, %v", tt.segments, n, err)
			}
			got = d.members
		}
		if got != tt.members {
			t.Errorf("%d segments: %d members, want %d", tt.segments, got, tt.members)
		}
		records := 0
		for _, p := range table.payloads() {
			if len(p)+seekTableTail > maxSeekTablePayload {
				t.Errorf("%d segments: payload of %d bytes", tt.segments, len(p))
			}
			records += len(p) - 3
		}
		if records < len(table.records) {
			t.Errorf("%d segments: %d bytes of records, want %d", tt.segments, records, len(table.records))
		}
	}
}

func TestGzipWriterArguments(t *testing.T) {
	for _, tt := range []struct{ level, workers int }{{-1, 1}, {10, 1}, {1, -1}} {
		if _, err := Gzip.NewWriter(io.Discard, tt.level, tt.workers); err == nil {
			t.Errorf("level %d, %d workers: no error", tt.level, tt.workers)
		}
	}
}

// limited is a sink that takes n bytes and then fails.
type limited struct {
	n   int
	err error
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(l.n, len(p))
	l.n -= n
	if n < len(p) {
		return n, l.err
	}
	return n, nil
}

// An error of the sink comes back from Write or Close, and no goroutine is left: synctest fails if one is.
func TestGzipWriterError(t *testing.T) {
	full := errors.New("no space left on device")
	plain := jpegLike(1<<20, 3)
	size := len(compressOwn(t, slices.Concat(plain, plain, plain), 1, 1))
	for _, n := range []int{0, 5, 10, 1 << 20, 2 << 20, size - 50, size - 1} {
		synctest.Test(t, func(t *testing.T) {
			w, err := newGzipWriter(&limited{n, full}, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := w.Write(plain); err != nil && !errors.Is(err, full) {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := w.Close(); !errors.Is(err, full) {
					t.Fatalf("a sink of %d bytes: %v", n, err)
				}
			}
			if _, err := w.Write(plain); err == nil {
				t.Fatal("Write after Close: no error")
			}
		})
	}

	// Write itself returns the error eventually, so that a caller with much data stops.
	w, err := newGzipWriter(&limited{0, nil}, 1, 2) // writes nothing and says nothing
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; err == nil; n++ {
		if n == 100 {
			t.Fatal("100 MiB written into nothing")
		}
		_, err = w.Write(plain)
	}
	if !errors.Is(err, io.ErrShortWrite) || !errors.Is(w.Close(), io.ErrShortWrite) {
		t.Fatal(err)
	}
}

// Other programs read what gzipWriter writes: all bytes, and all members of the tar. The extra bytes contain what
// looks like gzip and like a tar.
func TestOtherReaders(t *testing.T) {
	plain := sampleTar(t, 2<<20)
	for _, tt := range []struct {
		name  string
		extra []byte
	}{
		{"", nil},
		{"with extra", slices.Concat(compress(t, plain[:500_000], 1), plain[:500_000])},
	} {
		t.Run("gzipWriter "+tt.name, func(t *testing.T) { testOtherReaders(t, plain, withExtra(t, plain, tt.extra)) })
	}
}

func testOtherReaders(t *testing.T, plain, gz []byte) {
	var names strings.Builder
	for r := tar.NewReader(bytes.NewReader(plain)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&names, h.Name)
	}
	file := filepath.Join(t.TempDir(), "shard.tgz")
	if err := os.WriteFile(file, gz, 0o600); err != nil {
		t.Fatal(err)
	}
	const python = `
import sys, tarfile
f = open(sys.argv[2], "rb") if len(sys.argv) > 2 else sys.stdin.buffer
for m in tarfile.open(fileobj=f, mode=sys.argv[1]): print(m.name)`

	for _, tt := range []struct {
		name string
		want []byte
		args []string
	}{
		{"gzip", nil, []string{"gzip", "-t"}},
		{"gzip -dc", plain, []string{"gzip", "-dc"}},
		{"pigz", nil, []string{"pigz", "-t"}},
		{"igzip", plain, []string{"igzip", "-dc"}},
		{"bgzip", plain, []string{"bgzip", "-dc"}},
		{"pigz -dc", plain, []string{"pigz", "-dc"}},
		{"tar", []byte(names.String()), []string{"tar", "-tzf", "-"}},
		{"bsdtar", []byte(names.String()), []string{"bsdtar", "-tzf", "-"}},
		{"python stream", []byte(names.String()), []string{"python3", "-c", python, "r|*"}},
		{"python stream gz", []byte(names.String()), []string{"python3", "-c", python, "r|gz"}},
		{"python file", []byte(names.String()), []string{"python3", "-c", python, "r:*", file}},
		{"python file gz", []byte(names.String()), []string{"python3", "-c", python, "r:gz", file}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			same(t, pipe(t, gz, tt.args[0], tt.args[1:]...), tt.want)
		})
	}
}
