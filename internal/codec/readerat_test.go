package codec

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// source counts the bytes that are read from a shard.
type source struct {
	*bytes.Reader
	n atomic.Int64
}

func newSource(gz []byte) *source { return &source{Reader: bytes.NewReader(gz)} }

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Reader.ReadAt(p, off)
	s.n.Add(int64(n))
	return n, err
}

// readRandom reads n pieces of plain at random offsets.
func readRandom(t testing.TB, z *ReaderAt, plain []byte, n int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 6))
	buf := make([]byte, 150_000)
	for range n {
		off := r.IntN(len(plain) + 1)
		p := buf[:r.IntN(len(buf))]
		want := plain[off:min(off+len(p), len(plain))]
		got, err := z.ReadAt(t.Context(), p, int64(off))
		if err != nil && (err != io.EOF || len(want) == len(p)) {
			t.Fatalf("%d bytes at %d: %v", len(p), off, err)
		}
		same(t, p[:got], want)
	}
}

func TestReaderAtContract(t *testing.T) {
	plain := text(100_000, 1)
	gz := compress(t, plain, 6)
	z := openAt(t, bytes.NewReader(gz), len(gz), mapOf(t, gz, 50_000))
	if err := iotest.TestReader(io.NewSectionReader(at(t.Context(), z), 0, int64(len(plain))), plain); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	for _, tt := range []struct {
		off int64
		n   int
		err error
	}{
		{99_990, 10, nil},
		{99_995, 5, io.EOF},
		{100_000, 0, io.EOF},
		{1 << 40, 0, io.EOF},
	} {
		if n, err := z.ReadAt(t.Context(), buf, tt.off); n != tt.n || err != tt.err {
			t.Errorf("ReadAt(%d) = %d, %v, want %d, %v", tt.off, n, err, tt.n, tt.err)
		}
	}
	if n, err := z.ReadAt(t.Context(), buf, -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("ReadAt(-1) = %d, %v", n, err)
	}
	if n, err := z.ReadAt(t.Context(), nil, 5); n != 0 || err != nil {
		t.Errorf("ReadAt of nothing = %d, %v", n, err)
	}
}

// Sequential readers share one decode, in whatever order they take turns.
func TestReadersGoForward(t *testing.T) {
	const readers, piece, span = 8, 32 << 10, 256 << 10
	plain := noise(9<<20, 4) // more than the cache holds
	gz := compress(t, plain, 0)
	m := mapOf(t, gz, span)

	for _, tt := range []struct {
		name string
		off  func(reader, step int) int // where a reader reads in each step
	}{
		{"apart", func(reader, step int) int { return reader*len(plain)/readers + step*piece }},
		{"intertwined", func(reader, step int) int { return (step*readers + reader ^ 1) * piece }},
	} {
		steps := len(plain) / readers / piece
		walk := func(z *ReaderAt, reader, step int) {
			off := tt.off(reader, step)
			p := make([]byte, piece)
			if _, err := z.ReadAt(t.Context(), p, int64(off)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			} else if !bytes.Equal(p, plain[off:off+piece]) {
				t.Errorf("%s: wrong bytes at %d", tt.name, off)
			}
		}
		// Each reader may start once at a checkpoint, and then reads what is between it and its first offset
		// and the rest of the input buffer in vain.
		limit := int64(len(gz)) + readers*(span+inputBuffer)

		src := newSource(gz)
		z := openAt(t, src, len(gz), m)
		for step := range steps {
			for reader := range readers {
				walk(z, reader, step)
			}
		}
		if n := src.n.Load(); n > limit {
			t.Errorf("%s: %d compressed bytes read, the shard has %d", tt.name, n, len(gz))
		}

		// At the same time they read less than is cached, because any of them can run far ahead of the others.
		src = newSource(gz)
		z = openAt(t, src, len(gz), m)
		var running sync.WaitGroup
		for reader := range readers {
			running.Go(func() {
				for step := range steps * 3 / 4 {
					walk(z, reader, step)
				}
			})
		}
		running.Wait()
		if n := src.n.Load(); n > limit {
			t.Errorf("%s, at once: %d compressed bytes read, the shard has %d", tt.name, n, len(gz))
		}
	}
}

// Reading again what was just read decodes nothing.
func TestReadBackwards(t *testing.T) {
	plain := noise(3<<20, 5)
	gz := compress(t, plain, 0)
	src := newSource(gz)
	z := openAt(t, src, len(gz), mapOf(t, gz, 1<<20))
	p := make([]byte, 4096)
	for off := len(plain) - len(p); off >= 0; off -= len(p) {
		if _, err := z.ReadAt(t.Context(), p, int64(off)); err != nil {
			t.Fatal(err)
		}
		same(t, p, plain[off:off+len(p)])
	}
	if n := src.n.Load(); n > int64(len(gz))*11/10 {
		t.Errorf("%d compressed bytes read, the shard has %d", n, len(gz))
	}
}

func TestReadAtOnce(t *testing.T) {
	plain := noise(9<<20, 6) // more than the cache holds
	gz := members(t, plain, 300_000)
	z := openAt(t, bytes.NewReader(gz), len(gz), mapOf(t, gz, 512<<10))
	var running sync.WaitGroup
	for i := range 2 * maxDecoders { // more than can decode at the same time
		running.Go(func() { readRandom(t, z, plain, 10, uint64(i)) })
	}
	running.Wait()
	if got := z.cache.unread.Cost(); len(z.cursors) > maxDecoders || got > z.cache.budget() {
		t.Errorf("%d cursors, %d bytes cached", len(z.cursors), got)
	}
}

// A shard that was truncated or changed since its map was made gives errors and no wrong bytes.
func TestReadAtDamaged(t *testing.T) {
	plain := sampleTar(t, 1<<20)
	gz := compress(t, plain, 6)
	m := mapOf(t, gz, 128<<10)
	other := slices.Concat(gz[:len(gz)/2], noise(len(gz)-len(gz)/2, 1))
	longer := m
	longer.Plain++

	for _, tt := range []struct {
		name string
		gz   []byte
		size int
		m    Map
		is   error
	}{
		{"shorter file", gz[:len(gz)/2], len(gz), m, io.ErrUnexpectedEOF},
		{"shorter size", gz, len(gz) / 2, m, io.ErrUnexpectedEOF},
		{"empty file", nil, len(gz), m, io.ErrUnexpectedEOF},
		{"other bytes", other, len(gz), m, ErrDamaged},
		{"fewer plain bytes", gz, len(gz), longer, io.ErrUnexpectedEOF},
	} {
		z := openAt(t, bytes.NewReader(tt.gz), tt.size, tt.m)
		got := make([]byte, tt.m.Plain)
		for range 2 {
			n, err := z.ReadAt(t.Context(), got, 0)
			if n == len(got) || !errors.Is(err, tt.is) {
				t.Fatalf("%s: %d bytes, %v", tt.name, n, err)
			}
			same(t, got[:n], plain[:n])
			if n, err := z.ReadAt(t.Context(), got[:10], tt.m.Plain-10); n != 0 || !errors.Is(err, tt.is) {
				t.Fatalf("%s, at the end: %d bytes, %v", tt.name, n, err)
			}
		}
	}
}

// Every byte is compared with its sum before it is returned: flate itself notices no damage in stored blocks and noise.
func TestReadAtVerifies(t *testing.T) {
	plain := noise(600_000, 2)
	for _, gz := range [][]byte{
		compress(t, plain, 0),
		slices.Concat(compress(t, plain[:100_000], 0), compress(t, plain[100_000:], 0)),
	} {
		m := mapOf(t, gz, 50_000)
		for _, at := range []int{1000, 70_001, 300_000, 599_000} {
			bad := slices.Clone(gz)
			bad[at]++
			z := openAt(t, bytes.NewReader(bad), len(bad), m)
			refused := 0
			p := make([]byte, 1000)
			for off := 0; off < len(plain); off += len(p) {
				n, err := z.ReadAt(t.Context(), p, int64(off))
				same(t, p[:n], plain[off:off+n])
				if err != nil {
					refused++
					if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "plain bytes ") {
						t.Fatal(err)
					}
				}
			}
			if refused == 0 || refused > passPiece/len(p)+2 {
				t.Errorf("byte %d damaged: %d pieces of %d refused", at, refused, len(plain)/len(p))
			}
		}
	}
}

// Maps come from files, which can have any content.
func TestReadAtBadMap(t *testing.T) {
	plain := text(100_000, 3)
	gz := compress(t, plain, 6)
	for _, c := range []Checkpoint{
		{In: -1},
		{In: 20, State: 8},
		{In: 20, State: 255},
		{In: 1 << 62, State: 1},
		{In: int64(len(gz)), Member: true},
		{In: 20, Member: true},
		{In: 10, Window: []byte("no zstd frame")},
		{In: 10, Window: rawWindow(make([]byte, 100_000))},
		{Member: true, Sums: []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
	} {
		m := Map{Plain: int64(len(plain)), Piece: 10_000, Points: pointList{c}}
		z := openAt(t, bytes.NewReader(gz), len(gz), m)
		if n, err := z.ReadAt(t.Context(), make([]byte, 100), 90_000); n != 0 || err == nil || err == io.EOF {
			t.Errorf("%+v: %d bytes, %v", c, n, err)
		}
	}
	front := Checkpoint{Member: true}
	for _, m := range []Map{
		{Plain: -1, Points: pointList{front}},
		{Plain: 1 << 62, Piece: -1, Points: pointList{front}},
		{Plain: 1 << 62, Piece: 1 << 62, Points: pointList{front, {Out: 1 << 61, In: 1 << 61}}},
		{Plain: 100, Piece: 1, Points: pointList{}},
		{Plain: 100, Piece: 10, Points: pointList{{Out: 50, In: 10}}},
		{Plain: 100_000, Piece: 10, Points: pointList{
			front, {Out: 90_000}, {Out: 50, In: 10}, {Out: -60, In: 10}, {Out: 95_000},
		}},
	} {
		z := openAt(t, bytes.NewReader(gz), len(gz), m)
		for _, off := range []int64{0, 50, 100, 60_000, 99_999, 1 << 61, 1 << 62} {
			p := make([]byte, 60)
			if n, err := z.ReadAt(t.Context(), p, off); err != nil {
				same(t, p[:n], plain[min(off, 100_000):][:n])
			}
		}
	}
}

// No read blocks or works forever because checkpoints are out of order.
func TestReadAtOutOfOrder(t *testing.T) {
	plain, gz, m := aheadShard(t, 40<<20)
	list := make(pointList, m.Points.Len())
	for i := range list {
		list[i] = m.Points.At(i)
	}
	for i := 90; i+1 < len(list); i += 7 { // where something is decoded in advance
		list[i].Out, list[i+1].Out = list[i+1].Out+70_000, list[i].Out-70_000
	}
	m.Points = list
	z := NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(gz)), m, ReaderAtOptions{Workers: 2})
	p := make([]byte, 128<<10)
	for off := 0; off < len(plain); off += len(p) {
		z.ReadAt(t.Context(), p, int64(off)) // which gives bytes or an error, as it happens
	}
	z.Close()
	for _, c := range z.cursors {
		if c.busy {
			t.Errorf("the cursor at %d is busy for ever", c.from)
		}
	}
}

// If the frames of a shard ask for a long history, all cursors together keep little more than one of them does.
func TestCursorMemory(t *testing.T) {
	const frames, plain = 4, 1100 * zstdMaxBlock
	var data []byte
	var points pointList
	for i := range int64(frames) {
		points = append(points, Checkpoint{Out: i * plain, In: int64(len(data)), Member: true})
		data = append(data, zstdBlocks([]byte{10 << 3, 17 << 3}[min(i, 1)], 1100)...)
	}
	before := heap(true)
	m := Map{Plain: frames * plain, Points: points}
	z := NewReaderAt(Zstd, FromReaderAt(bytes.NewReader(data)), int64(len(data)), m, ReaderAtOptions{})
	defer z.Close()
	var running sync.WaitGroup
	for i := range int64(frames) {
		running.Go(func() {
			p := make([]byte, 1000)
			if _, err := z.ReadAt(t.Context(), p, (frames-i)*plain-1000); err != nil || p[0] != 'x' {
				t.Errorf("frame %d: %v", i, err)
			}
		})
	}
	running.Wait()
	if n := heap(true) - before; n > 200<<20 {
		t.Errorf("%d MiB", n>>20)
	}
}

// All complete plain bytes of a truncated shard can be read.
func TestReadAtTruncated(t *testing.T) {
	gz := compress(t, sampleTar(t, 1<<20), 6)
	gz = gz[:len(gz)*2/3]
	pass := newReader(t, bytes.NewReader(gz), 100_000)
	plain, err := io.ReadAll(pass)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	checkMapOf(t, pass.Map(), gz, plain, true)
	z := openAt(t, bytes.NewReader(gz), len(gz), pass.Map())
	readRandom(t, z, plain, 100, 1)
	got := make([]byte, len(plain))
	if _, err := z.ReadAt(t.Context(), got, 0); err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
}

// flaky fails the first read of each offset.
type flaky struct {
	io.ReaderAt
	err  error
	seen map[int64]bool
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if !f.seen[off] {
		f.seen[off] = true
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestReadAtTriesAgain(t *testing.T) {
	plain := text(1<<20, 2)
	gz := compress(t, plain, 6)
	src := &flaky{bytes.NewReader(gz), errors.New("broken network"), map[int64]bool{}}
	z := openAt(t, src, len(gz), mapOf(t, gz, 300_000))
	got := make([]byte, len(plain))
	done := 0
	for range 1000 {
		n, err := z.ReadAt(t.Context(), got[done:], int64(done))
		if done += n; err == nil {
			break
		} else if !errors.Is(err, src.err) {
			t.Fatal(err)
		}
	}
	same(t, got, plain)
}

func FuzzReaderAt(f *testing.F) {
	f.Add([]byte("some plain bytes, some plain bytes"), byte(6), uint16(10), uint16(3), uint64(1))
	f.Add(text(20_000, 3), byte(1), uint16(1000), uint16(3000), uint64(2))
	f.Add(noise(20_000, 3), byte(0), uint16(1), uint16(9000), uint64(3))
	f.Fuzz(func(t *testing.T, plain []byte, level byte, span, size uint16, seed uint64) {
		var gz []byte
		for piece := range slices.Chunk(plain, 1000+int(size)) {
			gz = append(gz, compress(t, piece, int(level%10))...)
		}
		if len(plain) == 0 {
			gz = compress(t, nil, 1)
		}
		readRandom(t, openAt(t, bytes.NewReader(gz), len(gz), mapOf(t, gz, int64(span)+1)), plain, 10, seed)
	})
}
