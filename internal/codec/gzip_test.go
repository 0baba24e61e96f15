package codec

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
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
			testStream(t, gz, s.plain)
			testGzipResume(t, gz, s.plain)
			for _, span := range []int64{1, 100_000, 1 << 20} {
				m := mapOf(t, gz, span)
				checkMap(t, m, gz, s.plain)
				readRandom(t, openAt(t, bytes.NewReader(gz), len(gz), m), s.plain, 10, 1)
			}
			readRandom(t, openAt(t, bytes.NewReader(gz), len(gz), Map{Plain: int64(len(s.plain))}), s.plain, 10, 1)
			if m, _, ok := ReadMap(Gzip, bytes.NewReader(gz), int64(len(gz))); ok {
				checkMap(t, m, gz, s.plain)
				readRandom(t, openAt(t, bytes.NewReader(gz), len(gz), m), s.plain, 10, 1)
			}
		})
	}
}

// testStream reads all of gz.
func testStream(t *testing.T, gz, plain []byte) {
	same(t, decode(t, gz), plain)
	z := newReader(t, iotest.HalfReader(bytes.NewReader(gz)), 1000)
	got, err := io.ReadAll(iotest.HalfReader(z))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
	if z.Trailing() != 0 {
		t.Errorf("%d trailing bytes", z.Trailing())
	}
}

// testGzipResume decodes gz from each place where it can start to the end.
func testGzipResume(t *testing.T, gz, plain []byte) {
	t.Helper()
	d := newGzipDecoder(nil)
	for _, c := range offered(t, gz) {
		if c.Member != (c.Window == nil) || c.Member && (c.State != 0 || Detect(gz[c.In:]) != Gzip) {
			t.Fatalf("at %d, %d: member %v with a window of %d bytes", c.Out, c.In, c.Member, len(c.Window))
		}
		if !bytes.HasSuffix(plain[:c.Out], c.Window) {
			t.Fatalf("at %d, %d: wrong window", c.Out, c.In)
		}
		d.start(bytes.NewReader(gz[c.In:]), c)
		got, err := io.ReadAll(d)
		if err != nil {
			t.Fatalf("from %d, %d.%d: %v", c.Out, c.In, c.State, err)
		}
		same(t, got, plain[c.Out:])
	}
}

// checkMap fails the test unless the map is right: the checkpoints are in order, the sums are those of the plain
// bytes, and from each checkpoint decoding with its window gives the bytes up to the next one.
func checkMap(t *testing.T, m Map, gz, plain []byte) { t.Helper(); checkMapOf(t, m, gz, plain, false) }

// checkMapOf checks a map. That of a pass that was ended early has no sum of a shorter last piece.
func checkMapOf(t *testing.T, m Map, gz, plain []byte, cut bool) {
	t.Helper()
	if m.Plain != int64(len(plain)) || m.Points.Len() == 0 || m.Points.At(0).Out != 0 {
		t.Fatalf("%d plain bytes, want %d; %d checkpoints", m.Plain, len(plain), m.Points.Len())
	}
	d, unpack := newGzipDecoder(nil), newUnpacker()
	for i := range m.Points.Len() {
		c, end := m.Points.At(i), m.Plain
		if i+1 < m.Points.Len() {
			end = m.Points.At(i + 1).Out
		}
		if c.Out > end {
			t.Fatalf("checkpoint %d at %d, the next one at %d", i, c.Out, end)
		}
		sums := slices.Collect(func(yield func(uint32) bool) {
			for p := range slices.Chunk(plain[c.Out:end], int(m.Piece)) {
				if !yield(crc32.ChecksumIEEE(p)) {
					return
				}
			}
		})
		if whole := int(end-c.Out) / int(m.Piece); cut && i+1 == m.Points.Len() {
			sums = sums[:whole]
		}
		if !slices.Equal(c.Sums, sums) {
			t.Fatalf("checkpoint %d at %d: %d sums %08x, want %d %08x", i, c.Out, len(c.Sums), c.Sums, len(sums), sums)
		}
		var err error
		if c.Window, err = unpack.window(c.Window); err != nil {
			t.Fatal(err)
		}
		d.start(bytes.NewReader(gz[c.In:]), c)
		part := make([]byte, end-c.Out)
		if _, err := io.ReadFull(d, part); err != nil {
			t.Fatalf("checkpoint %d at %d, %d.%d: %v", i, c.Out, c.In, c.State, err)
		}
		same(t, part, plain[c.Out:end])
	}
}

func TestStoredBlocks(t *testing.T) {
	for seed := range uint64(5) {
		plain, gz := mixStored(t, 100_000, seed)
		testGzipResume(t, gz, plain)
	}
}

func TestTrailing(t *testing.T) {
	gz := compress(t, []byte("plain"), 6)
	zeros := make([]byte, 100_000)
	for _, tt := range []struct {
		name     string
		after    []byte
		trailing int64
	}{
		{"nothing", nil, 0},
		{"zeros", zeros, 0},
		{"text", []byte("text"), 4},
		{"zeros and text", slices.Concat(zeros, []byte("text")), 4},
		{"text and zeros", slices.Concat([]byte("text"), zeros), 100_004},
		{"much", noise(1<<17, 7), 1 << 17},
	} {
		z := newReader(t, bytes.NewReader(slices.Concat(gz, gz, tt.after)), 1)
		got, err := io.ReadAll(z)
		if string(got) != "plainplain" || err != nil || z.Trailing() != tt.trailing {
			t.Errorf("%s: %q, %v, %d trailing", tt.name, got, err, z.Trailing())
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
		got, err := io.ReadAll(newReader(t, bytes.NewReader(gz[:n]), 0))
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

// A changed byte never gives wrong data.
func TestDamaged(t *testing.T) {
	plain, gz, _ := smallShard(t)
	for i := range gz {
		for _, flip := range []byte{1, 4, 0x20, 0xff} {
			bad := slices.Clone(gz)
			bad[i] ^= flip
			z := newReader(t, bytes.NewReader(bad), 0)
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
		{"second method", io.MultiReader(bytes.NewReader(gz), strings.NewReader("\x1f\x8b\x07.......")),
			ErrDamaged, "method 7"},
		{"bad block", strings.NewReader(gzipHeader + "\x07"), ErrDamaged, "compressed byte 10: "},
		{"CRC", bytes.NewReader(wrongCRC), ErrDamaged, "CRC32"},
		{"length", bytes.NewReader(wrongLength), ErrDamaged, "length 100000, want 16877216"},
		{"network", io.MultiReader(bytes.NewReader(gz[:500]), iotest.ErrReader(broken)),
			broken, "compressed byte 500: broken network"},
		{"network after the data", io.MultiReader(bytes.NewReader(gz), iotest.ErrReader(broken)),
			broken, "broken network"},
	} {
		z := newReader(t, tt.r, 1)
		_, err := io.ReadAll(z)
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, again := z.Read(make([]byte, 1)); again != err {
			t.Errorf("%s: the next Read says %v", tt.name, again)
		}
	}
}

// counter counts the bytes read from an io.Reader.
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

// A header with an endless name is an error soon.
func TestEndlessName(t *testing.T) {
	for _, flag := range []string{"\x08", "\x10"} {
		header := strings.NewReader("\x1f\x8b\x08" + flag + "\x00\x00\x00\x00\x00\x00")
		in := &counter{r: io.MultiReader(header, endless('x'))}
		if _, err := newReader(t, in, 0).Read(make([]byte, 1)); !errors.Is(err, ErrDamaged) {
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
	z := newGzipDecoder(nil)
	z.start(iotest.OneByteReader(bytes.NewReader(gz)), Checkpoint{Member: true}) // so the trailer is not read yet
	if _, err := z.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	z.length -= 2000 // as if 2^32 - 2000 bytes had come before
	binary.LittleEndian.PutUint32(gz[len(gz)-4:], ^uint32(0)-999)
	if _, err := io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
}

// Reader reads what the standard library reads as gzip, and so does a ReaderAt by the map. Other input gives
// ErrDamaged or io.ErrUnexpectedEOF.
func FuzzGzip(f *testing.F) {
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
		z := newReader(t, bytes.NewReader(gz), 1000)
		defer z.Close()
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
		if len(got) == limit {
			return
		}
		checkMapOf(t, z.Map(), gz, got, err != nil)
		at := openAt(t, bytes.NewReader(gz), len(gz), z.Map())
		readRandom(t, at, got, 3, 1)
	})
}
