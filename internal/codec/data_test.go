package codec

import (
	"archive/tar"
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"

	"github.com/shardfs/shardfs/internal/codec/inflate"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// jpegLike returns n bytes that compress like JPEG data: to about 0.96, by the frequencies of bytes only.
func jpegLike(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		x := r.Uint32()
		b[i] = min(byte(x), byte(x>>8))
	}
	return b
}

// text returns n bytes that compress like text.
func text(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	words := make([]string, 3000)
	for i := range words {
		for range 2 + r.IntN(8) {
			words[i] += string(rune('a' + r.IntN(26)))
		}
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[min(r.IntN(len(words)), r.IntN(len(words)))])
		b.WriteByte(' ')
	}
	return b.Bytes()[:n]
}

// noise returns n bytes that do not compress.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// sampleTar returns a tar of about n bytes: samples of a JPEG-like image, a class and a caption.
func sampleTar(t testing.TB, n int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	r := rand.New(rand.NewPCG(3, 3))
	for i := 0; b.Len() < n; i++ {
		for _, m := range []struct {
			extension string
			data      []byte
		}{
			{"jpg", jpegLike(min(60_000+r.IntN(60_000), n), uint64(i))},
			{"cls", fmt.Appendf(nil, "%d", r.IntN(1000))},
			{"json", text(300, uint64(i))},
		} {
			h := &tar.Header{Name: fmt.Sprintf("%06d.%s", i, m.extension), Mode: 0o644, Size: int64(len(m.data))}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(m.data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compress returns data as one gzip member of klauspost's writer.
func compress(t testing.TB, data []byte, level int) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, &b, w, data)
}

// compressStd returns data as one gzip member of the standard library's writer.
func compressStd(t testing.TB, data []byte, level int) []byte {
	var b bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, &b, w, data)
}

// compressOwn returns data as gzipWriter writes it.
func compressOwn(t testing.TB, data []byte, level, workers int) []byte {
	var b bytes.Buffer
	w, err := newGzipWriter(&b, level, workers)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, &b, w, data)
}

func finish(t testing.TB, b *bytes.Buffer, w io.WriteCloser, data []byte) []byte {
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mixStored returns plain bytes and one gzip member of them in which stored, Huffman-only and LZ77 blocks of many
// lengths follow each other in an order that depends on seed.
func mixStored(t testing.TB, n int, seed uint64) (plain, gz []byte) {
	r := rand.New(rand.NewPCG(seed, 4))
	var body bytes.Buffer
	for len(plain) < n {
		piece := text(1+r.IntN(9000), r.Uint64())
		if r.IntN(2) == 0 {
			piece = noise(1+r.IntN(9000), r.Uint64())
		}
		// A preset dictionary makes the piece refer to bytes before it.
		level := []int{0, 1, 6, 9, flate.HuffmanOnly}[r.IntN(5)]
		w, err := flate.NewWriterDict(&body, level, plain[max(0, len(plain)-32<<10):])
		if err != nil {
			t.Fatal(err)
		}
		w.Write(piece)
		if r.IntN(4) == 0 {
			w.Write(piece)
			piece = slices.Concat(piece, piece)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		plain = append(plain, piece...)
	}
	trailer := compressStd(t, plain, 1)
	trailer = trailer[len(trailer)-8:]
	return plain, slices.Concat([]byte(gzipHeader), body.Bytes(), []byte(deflateEnd), trailer)
}

// pipe runs a program with input and returns its output. Without the program it skips the test.
func pipe(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip.Without(t, "%s", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// shard is a compressed shard and its plain bytes.
type shard struct {
	name  string
	gz    func(t *testing.T) []byte
	plain []byte
}

// shards returns one shard of each kind that readers have to know.
func shards(t *testing.T) []shard {
	sample := sampleTar(t, 200_000)
	words := text(250_000, 1)
	mixed, mixedGz := mixStored(t, 200_000, 1)
	twice := slices.Concat(compressOwn(t, words, 6, 2), compressOwn(t, sample, 1, 1))
	padded := slices.Concat(
		compressStd(t, words, 6), make([]byte, 5000), compressStd(t, sample, 6), make([]byte, 70_000))
	const python = "import gzip, sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(), 6))"
	full := stdgzip.Header{Name: "shard.tar", Comment: "made by a test", Extra: []byte("AB\x02\x00xy"), OS: 3}

	fixed := func(gz []byte) func(*testing.T) []byte { return func(*testing.T) []byte { return gz } }
	tool := func(plain []byte, name string, args ...string) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return pipe(t, plain, name, args...) }
	}
	var list []shard
	for _, level := range []int{0, 1, 6, 9} {
		list = append(list,
			shard{fmt.Sprintf("std/%d", level), fixed(compressStd(t, sample, level)), sample},
			shard{fmt.Sprintf("klauspost/%d", level), fixed(compress(t, words, level)), words})
	}
	list = append(list,
		shard{"empty", fixed(compressStd(t, nil, 1)), nil},
		shard{"byte", fixed(compressStd(t, []byte("x"), 1)), []byte("x")},
		shard{"zeros", fixed(compressStd(t, make([]byte, 1<<20), 6)), make([]byte, 1<<20)},
		shard{"stored", fixed(mixedGz), mixed},
		shard{"huffman", fixed(compressStd(t, sample, stdgzip.HuffmanOnly)), sample},
		shard{"own", fixed(compressOwn(t, sample, 1, 2)), sample},
		shard{"own/twice", fixed(twice), slices.Concat(words, sample)},
		shard{"members", fixed(members(t, sample, 50_000)), sample},
		shard{"members/small", fixed(members(t, words[:10_000], 100)), words[:10_000]},
		shard{"members/padded", fixed(padded), slices.Concat(words, sample)},
		shard{"header", fixed(withHeader(t, full, words)), words},
		shard{"gzip/1", tool(sample, "gzip", "-1"), sample},
		shard{"gzip/9", tool(sample, "gzip", "-9"), sample},
		shard{"pigz/jpeg", tool(sample, "pigz", "-p2", "-b32", "-6"), sample},
		shard{"pigz/text", tool(words, "pigz", "-p2", "-b32", "-1"), words},
		shard{"pigz/independent", tool(words, "pigz", "-p2", "-i"), words},
		shard{"igzip", tool(sample, "igzip", "-c", "-3"), sample},
		shard{"bgzip", tool(words, "bgzip", "-c"), words},
		shard{"python", tool(words, "python3", "-c", python), words},
	)
	return list
}

// members returns data as gzip members of size bytes each, with an empty one after every tenth.
func members(t testing.TB, data []byte, size int) []byte {
	var b []byte
	empty := compressStd(t, nil, 1)
	i := 0
	for piece := range slices.Chunk(data, size) {
		b = append(b, compress(t, piece, 1)...)
		if i++; i%10 == 0 {
			b = append(b, empty...)
		}
	}
	return b
}

func withHeader(t testing.TB, h stdgzip.Header, data []byte) []byte {
	var b bytes.Buffer
	w := stdgzip.NewWriter(&b)
	w.Header = h
	finish(t, &b, w, data)
	// The standard library writes no header checksum; readers that do not verify it must skip it.
	gz := b.Bytes()
	end := bytes.Index(gz, []byte(h.Comment)) + len(h.Comment) + 1
	gz[3] |= flagHeaderCRC
	return slices.Concat(gz[:end], []byte("??"), gz[end:])
}

// newReader returns a reader of gzip that makes a map, with checkpoints about span bytes apart; 0 means the default.
func newReader(t testing.TB, r io.Reader, span int64) *Reader {
	t.Helper()
	z, err := NewReader(Gzip, r, Options{Map: true})
	if err != nil {
		t.Fatal(err)
	}
	if span != 0 {
		z.mapper.place.spacing, z.mapper.narrow, z.mapper.wide, z.mapper.place.free = span, span, span, span/2
	}
	return z
}

// decode returns the plain bytes of gz.
func decode(t testing.TB, gz []byte) []byte {
	t.Helper()
	z, err := NewReader(Gzip, bytes.NewReader(gz), Options{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// mapOf returns the map of gz that a pass makes.
func mapOf(t testing.TB, gz []byte, span int64) Map {
	t.Helper()
	z := newReader(t, bytes.NewReader(gz), span)
	if _, err := io.Copy(io.Discard, z); err != nil {
		t.Fatal(err)
	}
	return z.Map()
}

// offered returns all places of gz where decoding can start, with their windows decompressed.
func offered(t testing.TB, gz []byte) []Checkpoint {
	t.Helper()
	var points []Checkpoint
	d := newGzipDecoder(func(c Checkpoint) {
		c.Window = bytes.Clone(c.Window)
		points = append(points, c)
	})
	d.start(bytes.NewReader(gz), Checkpoint{Member: true})
	if _, err := io.Copy(io.Discard, d); err != nil {
		t.Fatal(err)
	}
	return points
}

// copiesIn returns all copies in gz that begin before their block.
func copiesIn(t testing.TB, gz []byte) (all copies) {
	t.Helper()
	d := newGzipDecoder(nil)
	d.onCopies(func(out int64, list []inflate.Copy) { all.add(out, list, math.MaxInt64) })
	d.start(bytes.NewReader(gz), Checkpoint{Member: true})
	if _, err := io.Copy(io.Discard, d); err != nil {
		t.Fatal(err)
	}
	return all
}

// openAt returns a ReaderAt of gz, which is closed when the test ends.
func openAt(t testing.TB, r io.ReaderAt, size int, m Map) *ReaderAt {
	z := NewReaderAt(Gzip, FromReaderAt(r), int64(size), m, ReaderAtOptions{})
	t.Cleanup(func() { z.Close() })
	return z
}

// same fails the test unless got is want.
func same(t testing.TB, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	t.Fatalf("got %d bytes, want %d; the first %d are equal", len(got), len(want), n)
}

// at returns what reads from a source until ctx ends.
func at(ctx context.Context, src Source) io.ReaderAt { return sourceAt{ctx, src} }

type sourceAt struct {
	ctx context.Context
	src Source
}

func (s sourceAt) ReadAt(p []byte, off int64) (int, error) { return s.src.ReadAt(s.ctx, p, off) }
