package codec

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// TestShards reads each kind of shard in each way.
func TestShards(t *testing.T) {
	for _, s := range shards(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			gz := s.gz(t)
			points := testStream(t, gz, s.plain)
			testResume(t, gz, s.plain, points)
			for _, points := range [][]Checkpoint{points, index(t, gz, 100_000), nil} {
				z := NewGzipReaderAt(bytes.NewReader(gz), int64(len(gz)), int64(len(s.plain)), points)
				readRandom(t, z, s.plain, 10, 1)
			}
		})
	}
}

// testStream reads gz from front to end and returns its checkpoints.
func testStream(t *testing.T, gz, plain []byte) []Checkpoint {
	got, points, err := decode(gz, 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
	checkPoints(t, points, gz, plain)

	z := NewGzipReader(iotest.HalfReader(bytes.NewReader(gz)), GzipOptions{})
	if got, err = io.ReadAll(iotest.HalfReader(z)); err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
	if z.Trailing() != 0 {
		t.Errorf("%d trailing bytes", z.Trailing())
	}
	return points
}

// testResume decodes gz from each checkpoint to the end. Without storedDrift this fails for the shards of pigz and those
// with stored blocks.
func testResume(t *testing.T, gz, plain []byte, points []Checkpoint) {
	t.Helper()
	var z GzipReader
	for _, c := range points {
		z.resume(bytes.NewReader(gz[c.In:]), c)
		got, err := io.ReadAll(&z)
		if err != nil {
			t.Fatalf("from %d, %d.%d: %v", c.Out, c.In, c.Bit, err)
		}
		same(t, got, plain[c.Out:])
	}
}

// checkPoints fails the test unless the points are in order and true.
func checkPoints(t *testing.T, points []Checkpoint, gz, plain []byte) {
	t.Helper()
	if len(points) == 0 || points[0].Out != 0 || points[0].In != 0 || !points[0].Member {
		t.Fatalf("no checkpoint at the start: %v", points[:min(1, len(points))])
	}
	for i, c := range points {
		if i > 0 && (c.Out < points[i-1].Out || c.In <= points[i-1].In) {
			t.Fatalf("checkpoint %d at %d, %d behind %d, %d", i, c.Out, c.In, points[i-1].Out, points[i-1].In)
		}
		if c.Member != (c.Window == nil) || c.Member && (c.Bit != 0 || Detect(gz[c.In:]) != Gzip) {
			t.Fatalf("checkpoint %d at %d, %d: member %v with a window of %d bytes", i, c.Out, c.In, c.Member, len(c.Window))
		}
		if !bytes.HasSuffix(plain[:c.Out], c.Window) {
			t.Fatalf("checkpoint %d at %d, %d: wrong window", i, c.Out, c.In)
		}
	}
}

func TestStoredDrift(t *testing.T) {
	for seed := range uint64(5) {
		plain, gz := mixStored(t, 100_000, seed)
		testResume(t, gz, plain, index(t, gz, 1))
	}
}

// A checkpoint is reported when the bytes before it have been returned, so that the callee can have seen them.
func TestCheckpointOrder(t *testing.T) {
	plain := text(1<<20, 5)
	gz := slices.Concat(compress(t, plain[:300_000], 6), compress(t, plain[300_000:], 6))
	for _, span := range []int64{1, 1000, 200_000, 0} {
		returned := int64(0)
		z := NewGzipReader(bytes.NewReader(gz), GzipOptions{Span: span, OnCheckpoint: func(c Checkpoint) {
			if c.Out > returned {
				t.Fatalf("span %d: checkpoint %d reported after %d bytes", span, c.Out, returned)
			}
		}})
		buf := make([]byte, 10_000)
		for {
			n, err := z.Read(buf)
			if returned += int64(n); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPlacement(t *testing.T) {
	words := text(1<<20, 6)
	count := func(points []Checkpoint) (members, windows int) {
		for _, c := range points {
			if c.Member {
				members++
			} else {
				windows++
			}
		}
		return members, windows
	}
	for _, tt := range []struct {
		name             string
		gz               []byte
		span             int64
		members, windows int
	}{
		{"one member", compress(t, words, 6), 256 << 10, 1, 3},
		{"members of a span", members(t, words, 64<<10), 64 << 10, 16, 1}, // the window before the last, empty block
		{"members a little longer", members(t, words, 75<<10), 64 << 10, 14, 0},
		{"members a little shorter", members(t, words, 50<<10), 64 << 10, 21, 0},
		{"small members", members(t, words, 4<<10), 64 << 10, 32, 0},
		{"span of nothing", compress(t, nil, 6), 0, 1, 0},
	} {
		points := index(t, tt.gz, tt.span)
		if m, w := count(points); m != tt.members || w != tt.windows {
			t.Errorf("%s: %d member starts and %d windows, want %d and %d", tt.name, m, w, tt.members, tt.windows)
		}
		for i := range points[1:] {
			if d := points[i+1].Out - points[i].Out; d < tt.span/2 || d > 2*tt.span {
				t.Errorf("%s: distance %d at span %d", tt.name, d, tt.span)
			}
		}
	}
}

func TestTrailing(t *testing.T) {
	gz := compress(t, []byte("plain"), 6)
	zeros := make([]byte, 100_000)
	for _, tt := range []struct {
		name     string
		behind   []byte
		trailing int64
	}{
		{"nothing", nil, 0},
		{"zeros", zeros, 0},
		{"text", []byte("text"), 4},
		{"zeros and text", slices.Concat(zeros, []byte("text")), 4},
		{"text and zeros", slices.Concat([]byte("text"), zeros), 100_004},
		{"much", noise(1<<17, 7), 1 << 17},
	} {
		z := NewGzipReader(bytes.NewReader(slices.Concat(gz, gz, tt.behind)), GzipOptions{})
		got, err := io.ReadAll(z)
		if string(got) != "plainplain" || err != nil || z.Trailing() != tt.trailing || z.Members() != 2 {
			t.Errorf("%s: %q, %v, %d trailing, %d members", tt.name, got, err, z.Trailing(), z.Members())
		}
	}
}

// smallShard returns three members, the last one empty, with all header fields, and the offsets where members end.
func smallShard(t *testing.T) (plain, gz []byte, ends []int) {
	plain = slices.Concat(text(1000, 8), noise(200, 8))
	first := withHeader(t, stdgzip.Header{Name: "n", Comment: "comment", Extra: []byte("AB\x02\x00xy")}, plain[:600])
	second := compressStd(t, plain[600:], 6)
	gz = slices.Concat(first, second, compressStd(t, nil, 6))
	return plain, gz, []int{len(first), len(first) + len(second), len(gz)}
}

func TestTruncated(t *testing.T) {
	plain, gz, ends := smallShard(t)
	for n := range gz {
		got, err := io.ReadAll(NewGzipReader(bytes.NewReader(gz[:n]), GzipOptions{}))
		if slices.Contains(ends, n) {
			if err != nil {
				t.Fatalf("cut at the end of a member: %v", err)
			}
		} else if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d of %d: %v", n, len(gz), err)
		}
		same(t, got, plain[:len(got)])
	}
}

// A changed byte is never taken for data.
func TestDamaged(t *testing.T) {
	plain, gz, _ := smallShard(t)
	for i := range gz {
		for _, flip := range []byte{1, 4, 0x20, 0xff} {
			bad := slices.Clone(gz)
			bad[i] ^= flip
			z := NewGzipReader(bytes.NewReader(bad), GzipOptions{})
			got, err := io.ReadAll(z)
			switch {
			case err == nil && z.Trailing() > 0: // the header of a later member is none any more
				same(t, got, plain[:len(got)])
			case err == nil: // a field of the header that says nothing about the data
				same(t, got, plain)
			case !errors.Is(err, ErrDamaged) && !errors.Is(err, io.ErrUnexpectedEOF):
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
}

func TestGzipReaderErrors(t *testing.T) {
	gz := compress(t, text(100_000, 9), 6)
	wrongCRC, wrongLength := slices.Clone(gz), slices.Clone(gz)
	wrongCRC[len(gz)-8]++
	wrongLength[len(gz)-1]++
	broken := errors.New("broken network")

	for _, tt := range []struct {
		name string
		r    io.Reader
		is   error
		text string
	}{
		{"nothing", strings.NewReader(""), io.ErrUnexpectedEOF, "compressed byte 0: "},
		{"text", strings.NewReader("plain text, no gzip"), ErrDamaged, "no gzip header"},
		{"method", strings.NewReader("\x1f\x8b\x09\x00\x00\x00\x00\x00\x00\x00"), ErrDamaged, "compression method 9"},
		{"flags", strings.NewReader("\x1f\x8b\x08\x20\x00\x00\x00\x00\x00\x00"), ErrDamaged, "reserved header flags"},
		{"second method", io.MultiReader(bytes.NewReader(gz), strings.NewReader("\x1f\x8b\x07.......")), ErrDamaged, "method 7"},
		{"bad block", strings.NewReader(gzipHeader + "\x07"), ErrDamaged, "compressed byte 11: "},
		{"CRC", bytes.NewReader(wrongCRC), ErrDamaged, "CRC32"},
		{"length", bytes.NewReader(wrongLength), ErrDamaged, "length 100000, want 16877216"},
		{"network", io.MultiReader(bytes.NewReader(gz[:500]), iotest.ErrReader(broken)), broken, "compressed byte 500: broken network"},
		{"network behind the data", io.MultiReader(bytes.NewReader(gz), iotest.ErrReader(broken)), broken, "broken network"},
	} {
		points := 0
		z := NewGzipReader(tt.r, GzipOptions{OnCheckpoint: func(Checkpoint) { points++ }})
		_, err := io.ReadAll(z)
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, again := z.Read(make([]byte, 1)); again != err {
			t.Errorf("%s: the next Read says %v", tt.name, again)
		}
		if points != z.Members() {
			t.Errorf("%s: %d checkpoints of %d members", tt.name, points, z.Members())
		}
	}
}

// counter counts what is read from an io.Reader.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// endless is an input without end.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// A name without end is given up soon.
func TestEndlessName(t *testing.T) {
	for _, flag := range []string{"\x08", "\x10"} {
		header := strings.NewReader("\x1f\x8b\x08" + flag + "\x00\x00\x00\x00\x00\x00")
		in := &counter{r: io.MultiReader(header, endless('x'))}
		if _, err := NewGzipReader(in, GzipOptions{}).Read(make([]byte, 1)); !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
		if in.n > 2*inputBuffer {
			t.Errorf("%d bytes read", in.n)
		}
	}
}

// A member longer than 4 GiB has its length modulo 2^32 in the trailer.
func TestLengthWraps(t *testing.T) {
	plain := text(1000, 10)
	gz := compress(t, plain, 6)
	z := NewGzipReader(bytes.NewReader(gz), GzipOptions{})
	if _, err := z.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	z.length -= 2000 // as if 2^32 - 2000 bytes had come before
	binary.LittleEndian.PutUint32(gz[len(gz)-4:], ^uint32(0)-999)
	z.in.reset(bytes.NewReader(gz[len(gz)-8:]), int64(len(gz)-8))
	if _, err := io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
}

// What the standard library reads as gzip, GzipReader reads the same, and from each checkpoint too. Other input gives an
// error of the two kinds.
func FuzzGzipReader(f *testing.F) {
	mixed, mixedGz := mixStored(f, 20_000, 11)
	for _, gz := range [][]byte{
		nil, []byte(gzipHeader), mixedGz, members(f, mixed, 5000), compressOwn(f, mixed, 1, 1),
		append(compressStd(f, mixed, 6), "garbage"...),
		compressStd(f, nil, 6), compressStd(f, mixed[:100], 0),
	} {
		f.Add(gz)
	}
	const limit = 8 << 20
	f.Fuzz(func(t *testing.T, gz []byte) {
		var points []Checkpoint
		z := NewGzipReader(bytes.NewReader(gz), GzipOptions{Span: 1000, OnCheckpoint: func(c Checkpoint) { points = append(points, c) }})
		got, err := io.ReadAll(io.LimitReader(z, limit))
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if std, stdErr := stdgzip.NewReader(bytes.NewReader(gz)); stdErr == nil {
			want, stdErr := io.ReadAll(io.LimitReader(std, limit))
			if stdErr == nil && !errors.Is(err, errReservedFlags) { // which the standard library ignores
				if err != nil {
					t.Fatal(err)
				}
				same(t, got, want)
			}
		}
		if err != nil || len(got) == limit {
			return
		}
		for i, c := range points[:min(len(points), 100)] {
			end := int64(len(got))
			if i+1 < len(points) {
				end = points[i+1].Out
			}
			var r GzipReader
			r.resume(bytes.NewReader(gz[c.In:]), c)
			part := make([]byte, end-c.Out)
			if _, err := io.ReadFull(&r, part); err != nil {
				t.Fatalf("from %d, %d.%d: %v", c.Out, c.In, c.Bit, err)
			}
			same(t, part, got[c.Out:end])
		}
	})
}
