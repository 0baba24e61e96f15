package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// packed is a shard in a format other than gzip, and its plain bytes.
type packed struct {
	name   string
	format Format
	plain  []byte
	points int  // minimum number of offered places
	sums   bool // checksums cover all plain bytes
	data   func(t *testing.T) []byte
}

// packedShards returns a shard of each kind that the decoders have to support.
func packedShards(t *testing.T) []packed {
	sample, words := sampleTar(t, 20_000), text(30_000, 1)
	mixed := slices.Concat(words[:10_000], make([]byte, 60_000), noise(10_000, 1), words[10_000:])
	var list []packed
	add := func(name string, f Format, plain []byte, points int, sums bool, data func(t *testing.T) []byte) {
		list = append(list, packed{name, f, plain, points, sums, data})
	}
	tool := func(f Format, plain []byte, points int, args ...string) {
		name := fmt.Sprint(f, args, len(list))
		add(name, f, plain, points, true, func(t *testing.T) []byte {
			return pipe(t, plain, f.String(), append(args, "-c")...)
		})
	}
	// parts concatenates several files that the tool has written.
	parts := func(name string, f Format, size, points int, between []byte, args ...string) {
		add(name, f, mixed, points, true, func(t *testing.T) (out []byte) {
			for part := range slices.Chunk(mixed, size) {
				out = slices.Concat(out, pipe(t, part, f.String(), append(args, "-c")...), between)
			}
			return out
		})
	}
	own := func(plain []byte) func(t *testing.T) []byte {
		return func(t *testing.T) []byte { return packZstd(t, plain, 1, 2, nil) }
	}

	tool(Zstd, sample, 1)
	tool(Zstd, words, 1, "-19")
	tool(Zstd, words, 1, "--long=27")
	tool(Zstd, nil, 1)
	tool(Zstd, mixed, 1, "--stream-size=100000")
	parts("zstd/frames", Zstd, 10_000, 10, nil)
	parts("zstd/skippable", Zstd, 10_000, 10, []byte("\x53\x2a\x4d\x18\x03\x00\x00\x00???"))
	add("zstd/no-check", Zstd, words, 1, false, func(t *testing.T) []byte {
		return pipe(t, words, "zstd", "--no-check", "-c")
	})
	add("zstd/own", Zstd, sample, 1, true, own(sample))
	add("zstd/own/empty", Zstd, nil, 1, true, own(nil))
	add("zstd/own/frames", Zstd, bytes.Repeat(sample, 115), 3, true, own(bytes.Repeat(sample, 115)))

	tool(Bzip2, sample, 1)
	tool(Bzip2, noise(101_000, 3), 2, "-1")
	tool(Bzip2, mixed, 1, "-1")
	tool(Bzip2, nil, 0)
	tool(Bzip2, []byte("x"), 1)
	tool(Bzip2, make([]byte, 3_000_000), 1)
	tool(Bzip2, noise(250_000, 2), 3, "-1")
	parts("bzip2/streams", Bzip2, 10_000, 10, nil)
	parts("bzip2/streams/1", Bzip2, 60_000, 2, nil, "-1")
	add("bzip2/streams/empty", Bzip2, mixed, 10, true, func(t *testing.T) (out []byte) {
		empty := pipe(t, nil, "bzip2", "-c")
		out = append(out, empty...)
		for part := range slices.Chunk(mixed, 10_000) {
			out = slices.Concat(out, pipe(t, part, "bzip2", "-c"), empty, empty)
		}
		return out
	})
	add("bzip2/pbzip2", Bzip2, sample, 1, true, func(t *testing.T) []byte {
		return pipe(t, sample, "pbzip2", "-p2", "-1", "-b1", "-c")
	})

	tool(XZ, sample, 1, "-6")
	tool(XZ, words, 1, "-9e")
	tool(XZ, sample, 4, "-0", "-T2", "--block-size=5000")
	tool(XZ, mixed, 10, "-0", "-T1", "--block-size=5000")
	for _, check := range []string{"none", "crc32", "sha256"} {
		plain, check := mixed, check
		add("xz/"+check, XZ, plain, 10, check != "none", func(t *testing.T) []byte {
			return pipe(t, plain, "xz", "-0", "-T2", "--block-size=5000", "-C", check, "-c")
		})
	}
	tool(XZ, nil, 0)
	tool(XZ, mixed, 1, "--delta=dist=3", "--lzma2=preset=0")
	tool(XZ, mixed, 1, "--x86", "--lzma2=preset=0")
	parts("xz/streams", XZ, 10_000, 10, nil, "-0")
	parts("xz/streams/padded", XZ, 10_000, 10, make([]byte, 8), "-0")

	tool(LZ4, sample, 1)
	tool(LZ4, sample, 1, "-B4")
	tool(LZ4, mixed, 2, "-B4", "-BX")
	tool(LZ4, mixed, 1, "-B5", "-9")
	tool(LZ4, words, 1, "-B4", "-BD")
	tool(LZ4, mixed, 1, "-B4", "-BD", "-BX", "-9")
	tool(LZ4, mixed, 1, "--content-size", "-B6")
	tool(LZ4, nil, 0)
	add("lz4/no-frame-crc", LZ4, words, 1, false, func(t *testing.T) []byte {
		return pipe(t, words, "lz4", "--no-frame-crc", "-B4", "-c")
	})
	parts("lz4/frames", LZ4, 10_000, 10, nil)
	parts("lz4/skippable", LZ4, 10_000, 10, []byte("\x5f\x2a\x4d\x18\x03\x00\x00\x00???"))
	return list
}

// unpack decodes data from a checkpoint to the end, and returns the places that were offered.
func unpack(f Format, data []byte, from Checkpoint) (plain []byte, points []Checkpoint, d decoder, err error) {
	d, err = newDecoder(f, maxHistory, func(c Checkpoint) { points = append(points, c) })
	if err != nil {
		return nil, nil, nil, err
	}
	if err = d.start(bytes.NewReader(data[from.In:]), from); err != nil {
		return nil, nil, nil, err
	}
	plain, err = io.ReadAll(d)
	return plain, points, d, err
}

// front is the checkpoint at the start of a shard.
var front = Checkpoint{Member: true}

func TestDecoders(t *testing.T) {
	for _, p := range packedShards(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			data := p.data(t)
			points := testWhole(t, p, data)
			testResume(t, p, data, points)
			if len(p.plain) > 100_000 { // otherwise too slow with the race detector
				return
			}
			testCut(t, p, data, points)
			testFlipped(t, p, data)
			testBroken(t, p, data)
		})
	}
}

// testWhole decodes all of data, and returns the places that were offered.
func testWhole(t *testing.T, p packed, data []byte) []Checkpoint {
	if got := Detect(data); got != p.format {
		t.Fatalf("detected as %s", got)
	}
	got, points, d, err := unpack(p.format, data, front)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, p.plain)
	if d.trailing() != 0 {
		t.Errorf("%d trailing bytes", d.trailing())
	}
	if len(points) < p.points {
		t.Fatalf("%d places offered, want %d", len(points), p.points)
	}
	for i, c := range points {
		if i == 0 && c.Out != 0 || i > 0 && (c.Out < points[i-1].Out || c.In <= points[i-1].In) {
			t.Fatalf("place %d is at %d, %d", i, c.Out, c.In)
		}
	}
	small := iotest.OneByteReader(bytes.NewReader(data))
	if err := d.start(small, front); err != nil {
		t.Fatal(err)
	}
	if got, err = io.ReadAll(iotest.HalfReader(d)); err != nil {
		t.Fatal(err)
	}
	same(t, got, p.plain)
	return points
}

// testResume decodes data from each of some points to the end, all with one decoder that stops anywhere.
func testResume(t *testing.T, p packed, data []byte, points []Checkpoint) {
	t.Helper()
	d, err := newDecoder(p.format, maxHistory, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := 0; i < len(points); i += 1 + len(points)/20 {
		c := points[i]
		for _, n := range []int64{r.Int64N(100_000), int64(len(p.plain))} {
			if err := d.start(bytes.NewReader(data[c.In:]), c); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.LimitReader(d, n))
			if err != nil {
				t.Fatalf("from %d, %d.%d: %v", c.Out, c.In, c.State, err)
			}
			same(t, got, p.plain[c.Out:][:min(n, int64(len(p.plain))-c.Out)])
		}
		if n, err := d.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("from %d: %d bytes, %v after the end", c.Out, n, err)
		}
	}
}

// testCut: of truncated data all complete plain bytes are returned, and no wrong ones.
func testCut(t *testing.T, p packed, data []byte, points []Checkpoint) {
	r := rand.New(rand.NewPCG(2, 2))
	var cuts []int
	for i := range min(6, len(data)) {
		cuts = append(cuts, i, i+6, len(data)-1-i)
	}
	for range 3 {
		cuts = append(cuts, r.IntN(len(data)))
	}
	for _, c := range points[:min(3, len(points))] {
		cuts = append(cuts, int(c.In), int(c.In)+1, int(c.In)+5)
	}
	for _, cut := range cuts {
		if cut >= len(data) {
			continue
		}
		got, _, _, err := unpack(p.format, data[:cut], front)
		if !bytes.HasPrefix(p.plain, got) {
			t.Fatalf("cut at %d: wrong bytes", cut)
		}
		if err == nil && !wholeAt(p, points, data, cut, len(got)) ||
			err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d of %d: %d bytes of %d, %v", cut, len(data), len(got), len(p.plain), err)
		}
	}
}

// wholeAt reports whether data is valid up to a cut, because the cut is between two frames or streams or after the last
// one.
func wholeAt(p packed, points []Checkpoint, data []byte, cut, plain int) bool {
	for _, c := range points {
		if c.Member && int(c.In) >= cut {
			return int(c.Out) == plain && cut > 0
		}
	}
	return len(p.plain) == plain
}

// testFlipped: wherever one byte of a shard with checksums is wrong, wrong plain bytes come with an error.
func testFlipped(t *testing.T, p packed, data []byte) {
	r := rand.New(rand.NewPCG(3, 3))
	var flips []int
	for i := range min(5, len(data)) {
		flips = append(flips, i, len(data)-1-i)
	}
	for range 5 {
		flips = append(flips, r.IntN(len(data)))
	}
	for _, at := range flips {
		bad := bytes.Clone(data)
		bad[at] ^= 1 << r.IntN(8)
		got, _, _, err := unpack(p.format, bad, front)
		switch {
		case err == nil && p.sums && !bytes.Equal(got, p.plain) && !lostEnd(p, got, bad):
			t.Fatalf("byte %d of %d: wrong bytes, and no error", at, len(data))
		case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrLimit) &&
			!errors.Is(err, io.ErrUnexpectedEOF):
			t.Fatalf("byte %d of %d: %v", at, len(data), err)
		}
	}
}

// lostEnd reports whether a later bzip2 stream is no longer recognized; bzip2 ignores it too.
func lostEnd(p packed, got, bad []byte) bool {
	_, _, d, _ := unpack(p.format, bad, front)
	return p.format == Bzip2 && d.trailing() > 0 && bytes.HasPrefix(p.plain, got)
}

// testBroken: an error of the input is returned as it is.
func testBroken(t *testing.T, p packed, data []byte) {
	broken := errors.New("broken wire")
	for _, at := range []int{0, 1, len(data) / 3, len(data) / 2, len(data) - 1, len(data)} {
		d, err := newDecoder(p.format, maxHistory, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err = d.start(io.MultiReader(bytes.NewReader(data[:at]), iotest.ErrReader(broken)), front); err == nil {
			_, err = io.ReadAll(d)
		}
		if !errors.Is(err, broken) {
			t.Errorf("broken at %d of %d: %v", at, len(data), err)
		}
	}
}

// Bytes after a shard are treated as by the format's own tool.
func TestDecodersTrailing(t *testing.T) {
	plain := text(100_000, 1)
	for _, tt := range []struct {
		format   Format
		garbage  string
		trailing int64 // -1: damage
	}{
		{Bzip2, "garbage", 7}, {Bzip2, "g", 1}, {Bzip2, "B", -1}, {Bzip2, "BZh", -1}, {Bzip2, "\x00\x00\x00\x00", 4},
		{Bzip2, "BZh9garbage....", -1},
		{Zstd, "garbage", -1}, {Zstd, "\x28", -1}, {Zstd, "\x00\x00\x00\x00", -1},
		{XZ, "garbage", -1}, {XZ, "\x00\x00\x00", -1}, {XZ, "\x00\x00\x00\x00", 0},
		{XZ, "\x00\x00\x00\x00garbage.....", -1},
		{LZ4, "garbage", -1}, {LZ4, "g", -1}, {LZ4, "\x00\x00\x00\x00", -1}, {LZ4, "\x02\x21\x4c\x18........", -1},
	} {
		data := append(pipe(t, plain, tt.format.String(), "-c"), tt.garbage...)
		got, _, d, err := unpack(tt.format, data, front)
		same(t, got, plain)
		if tt.trailing < 0 && err == nil || tt.trailing >= 0 && (err != nil || d.trailing() != tt.trailing) {
			t.Errorf("%s and %q: %d trailing bytes, %v", tt.format, tt.garbage, d.trailing(), err)
		}
	}
}

// The first member, frame or stream ends where the next one begins; empty ones and what follows the last one do not
// count.
func TestFirstEnd(t *testing.T) {
	for _, tool := range []string{"gzip", "bzip2", "xz", "zstd", "lz4"} {
		t.Run(tool, func(t *testing.T) {
			if _, err := exec.LookPath(tool); err != nil {
				skip.Without(t, "%s", tool)
			}
			a, b := pipe(t, []byte("first"), tool, "-c"), pipe(t, []byte("second"), tool, "-c")
			for _, tt := range []struct {
				data []byte
				want int64
			}{
				{a, 5},
				{slices.Concat(a, b), 5},
				{slices.Concat(b, a, a), 6},
				{slices.Concat(a, pipe(t, nil, tool, "-c")), 5},
			} {
				for _, withMap := range []bool{false, true} {
					o := Options{FirstEnd: true, Map: withMap}
					z, err := NewReader(Detect(tt.data), bytes.NewReader(tt.data), o)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, z); err != nil {
						t.Fatal(err)
					}
					if got := z.FirstEnd(); got != tt.want {
						t.Errorf("%d bytes: the first ends at %d, want %d", len(tt.data), got, tt.want)
					}
				}
			}
		})
	}
}

// An empty file is not a compressed shard.
func TestDecodersNothing(t *testing.T) {
	for _, f := range []Format{Zstd, Bzip2, XZ, LZ4} {
		if _, _, _, err := unpack(f, nil, front); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// A pass makes a map by which any byte can be read.
func TestFormatsByMap(t *testing.T) {
	plain := sampleTar(t, 700_000)
	for _, tt := range []struct {
		points int
		args   []string
	}{
		{1, []string{"zstd"}},
		{3, []string{"bzip2", "-1"}},
		{3, []string{"xz", "-0", "-T1", "--block-size=100KiB"}},
		{3, []string{"lz4", "-B4"}},
		{1, []string{"lz4", "-B4", "-BD"}},
	} {
		args := tt.args
		data := pipe(t, plain, args[0], append(args[1:], "-c")...)
		f := Detect(data)
		z, err := NewReader(f, bytes.NewReader(data), Options{Map: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, plain)
		o := ReaderAtOptions{Cache: NewCache(1 << 20)}
		at := NewReaderAt(f, FromReaderAt(bytes.NewReader(data)), int64(len(data)), z.Map(), o)
		r := rand.New(rand.NewPCG(1, 1))
		for range 10 {
			off := r.IntN(len(plain) - 100_000)
			buf := make([]byte, r.IntN(100_000))
			if _, err := at.ReadAt(t.Context(), buf, int64(off)); err != nil {
				t.Fatalf("%v at %d: %v", args, off, err)
			}
			same(t, buf, plain[off:off+len(buf)])
		}
		at.Close()
		if n := z.Map().Points.Len(); n < tt.points {
			t.Errorf("%v: %d checkpoints", args, n)
		}
	}
}
