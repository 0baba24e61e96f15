package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// limit is how many plain bytes are compared.
const limit = 1 << 20

// result is what a decoder makes of a stream.
type result struct {
	plain []byte
	used  int // how many bytes of input were read
	err   error
}

// opinion returns what another decoder makes of data, up to limit.
func opinion(open func(io.Reader) io.ReadCloser, data []byte) result {
	in := bytes.NewReader(data)
	plain, err := io.ReadAll(io.LimitReader(open(in), limit))
	return result{plain, len(data) - in.Len(), err}
}

// pieces is a reader that returns pieces of random sizes up to most; 0 means all at once.
type pieces struct {
	data []byte
	r    *rand.Rand
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	if p.most > 0 {
		b = b[:min(len(b), 1+p.r.IntN(p.most))]
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}

// place is where a block begins.
type place struct {
	in, out int
	bit     uint8
	window  []byte
	needed  []bool // of the window; for copies that come later
}

func (p place) equal(q place) bool { return p.in == q.in && p.out == q.out && p.bit == q.bit }

// border returns the place where z is, with in input bytes and these plain bytes before it.
func border(z *Reader, plain []byte, in int, bit uint8) place {
	w := bytes.Clone(z.Window())
	if !bytes.HasSuffix(plain, w) || len(w) < min(len(plain), WindowSize) {
		panic("the window is not what came before")
	}
	return place{in, len(plain), bit, w, make([]bool, len(w))}
}

// need marks what copies of bytes that begin at plain offset at copy from before the places.
func need(places []place, copies []Copy, at int) {
	for _, c := range copies {
		to := at + int(c.At)
		for i := len(places) - 1; i >= 0 && places[i].out+WindowSize > to; i-- {
			p := places[i]
			for from := to - int(c.Dist); from < min(to-int(c.Dist)+int(c.Len), p.out); from++ {
				p.needed[from-(p.out-len(p.window))] = true
			}
		}
	}
}

// decode decodes data, which comes in pieces of up to in bytes, and asks for up to out plain bytes at once. It also returns
// the places between blocks.
func decode(z *Reader, data []byte, in, out int, seed uint64) (result, []place) {
	r := rand.New(rand.NewPCG(seed, 1))
	src := &pieces{data, r, in}
	br := bufio.NewReaderSize(src, 16<<r.IntN(13))
	z.Reset(br, 0, nil)
	var got result
	var places []place
	for len(got.plain) < limit && got.err == nil {
		var p []byte
		p, got.err = z.Next(1 + r.IntN(out))
		need(places, z.Copies(), len(got.plain))
		got.plain = append(got.plain, p...)
		got.used = len(data) - len(src.data) - br.Buffered()
		if bit, ok := z.AtBlock(); ok && got.err == nil && len(places) < 100 {
			places = append(places, border(z, got.plain, got.used, bit))
		}
	}
	if got.err == io.EOF {
		got.err = nil
	}
	return got, places
}

// agree fails the test unless got is what others found, up to limit.
func agree(t testing.TB, name string, got, want result) {
	t.Helper()
	n := min(len(got.plain), len(want.plain))
	if !bytes.Equal(got.plain[:n], want.plain[:n]) {
		t.Fatalf("%s: other bytes", name)
	}
	if len(want.plain) == limit && len(got.plain) >= limit {
		return // how it ends is not known
	}
	if (got.err == nil) != (want.err == nil) {
		t.Fatalf("%s: %d bytes, %v; want %d, %v", name, len(got.plain), got.err, len(want.plain), want.err)
	}
	if got.err == nil && (len(got.plain) != len(want.plain) || got.used != want.used) {
		t.Fatalf("%s: %d bytes of %d, want %d of %d", name, len(got.plain), got.used, len(want.plain), want.used)
	}
	var corrupt Corrupt
	if got.err != nil && got.err != io.ErrUnexpectedEOF && !errors.As(got.err, &corrupt) {
		t.Fatalf("%s: %v", name, got.err)
	}
	// Others end earlier where the input does: they always read as many bits as the end of the block has.
	if got.err == io.ErrUnexpectedEOF && len(got.plain) < len(want.plain) {
		t.Fatalf("%s: %d bytes before %v, want %d", name, len(got.plain), got.err, len(want.plain))
	}
}

// check compares what z makes of data in all ways with what the standard library and klauspost make of it.
func check(t testing.TB, z *Reader, data []byte, seed uint64) {
	t.Helper()
	std := opinion(flate.NewReader, data)
	z.KeepCopies()
	whole, places := decode(z, data, 0, 1<<20, seed)
	agree(t, "standard library", whole, std)
	agree(t, "klauspost", whole, opinion(klauspost.NewReader, data))
	for _, way := range [][2]int{{1, 100_000}, {7, 1}, {1000, 333}, {0, 5000}} {
		if len(data) > 10_000 && way[1] == 1 {
			way[1] = 50
		}
		got, again := decode(z, data, way[0], way[1], seed)
		n := min(len(got.plain), len(whole.plain))
		ends := n >= limit || got.err == whole.err && got.used == whole.used
		if !ends || n < min(limit, len(whole.plain)) {
			t.Fatalf("in pieces %v: %d bytes of %d, %v; want %d of %d, %v", way,
				len(got.plain), got.used, got.err, len(whole.plain), whole.used, whole.err)
		}
		if !bytes.Equal(got.plain[:n], whole.plain[:n]) {
			t.Fatalf("in pieces %v: other bytes", way)
		}
		if !slices.EqualFunc(places, again, place.equal) {
			t.Fatalf("in pieces %v: other places", way)
		}
	}
	for i, p := range places {
		if i < 10 || i%16 == int(seed%16) {
			resume(t, z, data, p, whole, false)
			resume(t, z, data, p, whole, true)
		}
	}
}

// resume decodes data from a place on. If sparse is set, bytes of the window that no copy needs are wrong.
func resume(t testing.TB, z *Reader, data []byte, p place, whole result, sparse bool) {
	t.Helper()
	window := bytes.Clone(p.window)
	for i := range window {
		if sparse && !p.needed[i] {
			window[i] ^= 0xff
		}
	}
	in := bytes.NewReader(data[p.in:])
	br := bufio.NewReader(in)
	z.Reset(br, p.bit, window)
	got, err := io.ReadAll(io.LimitReader(z, int64(len(whole.plain)-p.out)))
	if !bytes.Equal(got, whole.plain[p.out:]) {
		want := len(whole.plain) - p.out
		t.Fatalf("from %d.%d, sparse %v: %d bytes, %v, want %d", p.in, p.bit, sparse, len(got), err, want)
	}
	if len(whole.plain) >= limit {
		return
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != whole.err && !(err == io.EOF && whole.err == nil) {
		t.Fatalf("from %d.%d, sparse %v: ends with %d bytes, %v; want %v", p.in, p.bit, sparse, n, err, whole.err)
	}
	if used := len(data) - in.Len() - br.Buffered(); used != whole.used {
		t.Fatalf("from %d.%d: %d bytes used, want %d", p.in, p.bit, used, whole.used)
	}
}

// FuzzReader compares a Reader with two other decoders, and with itself in other pieces and from each block on.
func FuzzReader(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		_, data := stream(f, r, 1000)
		f.Add(data, r.Uint64())
		f.Add(random(r), r.Uint64())
	}
	z := NewReader()
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) { check(t, z, data, seed) })
}

// FuzzCodes decodes blocks with random codes, which fuzzing of bytes hardly ever finds.
func FuzzCodes(f *testing.F) {
	for i := range uint64(300) {
		f.Add(i)
	}
	z := NewReader()
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		data := random(r)
		if r.IntN(4) == 0 {
			_, data = stream(t, r, 1+r.IntN(40_000))
			for range r.IntN(4) {
				data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			}
		}
		check(t, z, data, seed)
	})
}
