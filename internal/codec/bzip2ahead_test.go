package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

// ahead decodes data in parallel, and returns what unpack returns.
func ahead(f Format, workers int, r io.Reader) (plain []byte, points []Checkpoint, d parallelDecoder, err error) {
	made, err := newDecoder(f, maxHistory, func(c Checkpoint) { points = append(points, c) })
	if err != nil {
		return nil, nil, nil, err
	}
	d = made.(parallelDecoder)
	d.parallel(workers, MaxAhead)
	if err = d.start(r, front); err != nil {
		return nil, nil, nil, err
	}
	plain, err = io.ReadAll(d)
	d.wait()
	return plain, points, d, err
}

// sameAhead fails the test unless decoding in parallel gives what one decoder gives.
func sameAhead(t testing.TB, f Format, data []byte) {
	t.Helper()
	want, wantPoints, wantDecoder, wantErr := unpack(f, data, front)
	for _, workers := range []int{2, 5} {
		got, points, d, err := ahead(f, workers, bytes.NewReader(data))
		same(t, got, want)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || d.trailing() != wantDecoder.trailing() {
			t.Fatalf("%v, %d trailing bytes; want %v, %d", err, d.trailing(), wantErr, wantDecoder.trailing())
		}
		if !slices.EqualFunc(points, wantPoints, samePlace) {
			t.Fatalf("places %v, want %v", points, wantPoints)
		}
	}
}

func samePlace(a, b Checkpoint) bool {
	return a.Out == b.Out && a.In == b.In && a.State == b.State && a.Member == b.Member
}

// Blocks that are decoded in parallel give the same bytes, places and errors, in sound, cut and damaged shards.
func TestAhead(t *testing.T) {
	for _, p := range packedShards(t) {
		if _, ok := p.format.row().decoder(maxHistory, nil).(parallelDecoder); !ok {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			data := p.data(t)
			sameAhead(t, p.format, data)
			if len(p.plain) > 150_000 { // otherwise too slow with the race detector
				return
			}
			r := rand.New(rand.NewPCG(1, uint64(len(data))))
			for range 10 {
				sameAhead(t, p.format, data[:r.IntN(len(data))])
				bad := bytes.Clone(data)
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
				sameAhead(t, p.format, bad)
			}
			got, _, _, err := ahead(p.format, 3, iotest.OneByteReader(bytes.NewReader(data)))
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, p.plain)
		})
	}
}

// An error of the input comes after the bytes before it.
func TestAheadBroken(t *testing.T) {
	broken := errors.New("broken wire")
	plain := noise(700_000, 1)
	for _, args := range [][]string{{"bzip2", "-1"}} {
		data := pipe(t, plain, args[0], append(args[1:], "-c")...)
		for _, at := range []int{0, 1, len(data) / 3, len(data) / 2, len(data) - 1, len(data)} {
			in := io.MultiReader(bytes.NewReader(data[:at]), iotest.ErrReader(broken))
			got, _, _, err := ahead(Detect(data), 3, in)
			want, _, _, _ := unpack(Detect(data), data[:at], front)
			if same(t, got, want); !errors.Is(err, broken) {
				t.Errorf("%s broken at %d of %d: %v", args[0], at, len(data), err)
			}
		}
	}
}

// The first block is decoded before more of the input is read than its end, so that a slow shard is soon seen.
func TestAheadFirst(t *testing.T) {
	data := pipe(t, noise(700_000, 1), "bzip2", "-1", "-c")
	_, points, _, err := unpack(Bzip2, data, front)
	if err != nil {
		t.Fatal(err)
	}
	in := &countedReader{r: iotest.OneByteReader(bytes.NewReader(data))}
	z, err := NewReader(Bzip2, in, Options{Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(z, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if in.n > points[1].In+20 {
		t.Errorf("read %d bytes, the first block ends at %d", in.n, points[1].In)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

type countedReader struct {
	r io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Bits with which blocks begin are found at any bit, and wherever the input ended when it was searched before.
func TestBzip2Scan(t *testing.T) {
	for at := 8; at < 8*20; at++ {
		data := noise(40, uint64(at))
		for i := range 48 {
			bit := at + i
			data[bit/8] = data[bit/8]&^(0x80>>(bit%8)) | byte(uint64(bzip2Begin)>>(47-i)&1)<<(7-bit%8)
		}
		for first := range len(data) {
			scan := newBzip2Scan()
			scan.from = 1000 * 8
			place, mark := scan.next(data[:first], 1000)
			if mark == 0 {
				place, mark = scan.next(data, 1000)
			}
			if place != int64(8000+at) || mark != bzip2Begin {
				t.Fatalf("bit %d, %d bytes first: %x at %d", at, first, mark, place)
			}
			if place, mark = scan.next(data, 1000); mark != 0 {
				t.Fatalf("bit %d, %d bytes first: %x at %d, too", at, first, mark, place)
			}
		}
	}
}

// Marks that begin no block, or none that is as it seems, are not taken for blocks.
func TestBzip2FalseMarks(t *testing.T) {
	mark := "\x31\x41\x59\x26\x53\x59"
	block := pipe(t, noise(150_000, 2), "bzip2", "-1", "-c")
	for _, data := range [][]byte{
		slices.Concat(block, []byte("trailing "+mark+"0123456789"), block),
		slices.Concat(block[:4], []byte(mark+mark+mark+"0123456789012345678901234567890")),
		slices.Concat(block, []byte("BZh1"+mark+"\x00\x00\x00\x00"+mark), block),
		slices.Concat(block, []byte("BZh9"+mark), block[10:]),
		slices.Concat(block[:len(block)/2], []byte(mark), block[len(block)/2:]),
		slices.Concat(block[:4], bytes.Repeat([]byte(mark), 10_000)),
		bytes.Repeat(block[:4], 100_000),
	} {
		sameAhead(t, Bzip2, data)
	}
}

// A block whose data have the bits with which blocks begin is decoded, as are those around it.
func TestBzip2MarkInBlock(t *testing.T) {
	m := bzip2Text("abcdefghijklmn")
	m.lengths = slices.Repeat([]uint64{4}, 16) // so that the symbols are the digits of the mark
	m.column = ""
	list := []byte(m.bytes)
	for _, symbol := range []int{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 9} {
		if symbol == 1 {
			m.column += string([]byte{list[0], list[0]})
			continue
		}
		c := list[symbol-1]
		copy(list[1:symbol], list)
		list[0] = c
		m.column += string(c)
	}
	plain, _, _, _ := unpack(Bzip2, m.stream(""), front) // with the wrong checksum
	data := m.stream(string(plain))
	scan := newBzip2Scan()
	scan.from = 10 * 8
	if place, mark := scan.next(data, 0); mark != bzip2Begin {
		t.Fatalf("no mark in the block, but %x at %d", mark, place)
	}
	if tool, ok := bzip2Tool(data); !ok || !bytes.Equal(tool, plain) {
		t.Fatalf("bzip2 reads %q, %v", tool, ok)
	}
	other := pipe(t, noise(150_000, 2), "bzip2", "-1", "-c")
	data = slices.Concat(other, data, other, data, data)
	if _, _, _, err := unpack(Bzip2, data, front); err != nil {
		t.Fatal(err)
	}
	sameAhead(t, Bzip2, data)
}

// The decoder takes all blocks of a sound shard from those that are decoded ahead, once there are several.
func TestBzip2TakesAhead(t *testing.T) {
	data := pipe(t, noise(1_000_000, 1), "bzip2", "-1", "-c")
	d := newBzip2Decoder(nil)
	d.parallel(3, MaxAhead)
	blocks := 0
	last := d.block
	d.offer = func(Checkpoint) {
		if blocks++; d.block == last && blocks > 2 {
			t.Errorf("block %d was decoded by the decoder", blocks)
		}
		last = d.block
	}
	if err := d.start(bytes.NewReader(data), front); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, d); err != nil || blocks < 10 {
		t.Fatal(blocks, err)
	}
	if n := len(d.ahead.idle) + 1; n > 5 || len(d.ahead.tasks) > 0 {
		t.Errorf("%d blocks in memory, %d of them still decoded", n, len(d.ahead.tasks))
	}
}

// What is kept of the input does not grow with it where there are no blocks.
func TestBzip2AheadMemory(t *testing.T) {
	empty := pipe(t, nil, "bzip2", "-c")
	for name, data := range map[string][]byte{
		"empty streams": bytes.Repeat(empty, 3<<20/len(empty)),
		"no end":        slices.Concat(pipe(t, []byte("x"), "bzip2", "-c")[:20], make([]byte, 64<<20)),
	} {
		_, _, d, _ := ahead(Bzip2, 2, bytes.NewReader(data))
		if n := cap(d.(*bzip2Decoder).ahead.buf); n > 16<<20 || name == "empty streams" && n > 1<<20 {
			t.Errorf("%s: %d bytes of %d", name, n, len(data))
		}
	}
}
