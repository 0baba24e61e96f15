package inflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// bitWriter writes bits as DEFLATE has them, the first one lowest.
type bitWriter struct {
	b []byte
	n int // bits in b
}

func (w *bitWriter) put(v uint64, n int) *bitWriter {
	for i := range n {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
	return w
}

// codes appends a block header with lengths of codes, 4 bits each: the code for them has one of 4 bits for each of 0 to 15.
func (w *bitWriter) codes(last uint64, lits, dists []uint8) *bitWriter {
	w.put(last, 1).put(2, 2).put(uint64(len(lits)-257), 5).put(uint64(len(dists)-1), 5).put(15, 4)
	for _, i := range preOrder {
		n := uint64(4)
		if i > 15 {
			n = 0
		}
		w.put(n, 3)
	}
	for _, l := range slices.Concat(lits, dists) {
		w.code(int(l), 4)
	}
	return w
}

// code appends a code, whose first bit is the highest.
func (w *bitWriter) code(code, n int) *bitWriter {
	for n--; n >= 0; n-- {
		w.put(uint64(code>>n&1), 1)
	}
	return w
}

// complete returns random lengths of n codes, of at most 15 bits, that are a complete code; some are 0, never that of must.
func complete(r *rand.Rand, n, must int) []uint8 {
	for {
		lens := []uint8{1, 1}
		for want := 2 + r.IntN(n-1); len(lens) < want; {
			i := r.IntN(len(lens))
			if r.IntN(3) == 0 {
				i = len(lens) - 1
			}
			if lens[i] == 15 {
				if slices.Min(lens) == 15 {
					break
				}
				continue
			}
			lens[i]++
			lens = append(lens, lens[i])
		}
		all := make([]uint8, n)
		for i, at := range r.Perm(n)[:len(lens)] {
			all[at] = lens[i]
		}
		if all[must] != 0 {
			return all
		}
	}
}

// random returns a stream of random codes and bits: most are damaged somewhere, in every way.
func random(r *rand.Rand) []byte {
	w := new(bitWriter)
	if r.IntN(2) == 0 { // a window
		piece := make([]byte, r.IntN(1<<16))
		w.put(0, 8).put(uint64(len(piece))|uint64(len(piece)^0xffff)<<16, 32)
		w.b = append(w.b, piece...)
		w.n += 8 * len(piece)
	}
	lits, dists := complete(r, 257+r.IntN(30), 256), complete(r, 2+r.IntN(29), 0)
	switch r.IntN(8) {
	case 0:
		lits[r.IntN(len(lits))] = uint8(r.IntN(16))
	case 1:
		dists[r.IntN(len(dists))] = uint8(r.IntN(16))
	case 2:
		clear(dists)
		dists[r.IntN(len(dists))] = uint8(r.IntN(3))
	case 3:
		clear(lits)
		lits[[]int{256, r.IntN(257)}[r.IntN(2)]] = uint8(1 + r.IntN(2))
	}
	w.codes(uint64(r.IntN(2)), lits, dists)
	for range r.IntN(1000) {
		w.put(r.Uint64(), 64)
	}
	return w.b
}

// The kinds of plain bytes.
const (
	noise = iota
	words
	jpeg // its frequencies of bytes
	runs
)

// sample returns plain bytes of a kind.
func sample(r *rand.Rand, kind, n int) []byte {
	b := make([]byte, 0, n+300)
	for len(b) < n {
		switch kind {
		case noise:
			b = append(b, byte(r.Uint32()))
		case words:
			b = append(b, fmt.Sprintf("%d words and %x, ", r.IntN(1000), r.IntN(100))...)
		case jpeg:
			b = append(b, min(byte(r.Uint32()), byte(r.Uint32())))
		case runs:
			b = append(b, bytes.Repeat([]byte{byte(r.IntN(3)), byte(r.IntN(9))}[:1+r.IntN(2)], 1+r.IntN(150))...)
		}
	}
	return b[:n]
}

// stream returns plain bytes and a stream of them, of blocks of all types.
func stream(t testing.TB, r *rand.Rand, n int) (plain, data []byte) {
	var b bytes.Buffer
	for len(plain) < n {
		piece := sample(r, r.IntN(4), 1+r.IntN(n))
		dict := plain[max(0, len(plain)-WindowSize):]
		level := r.IntN(11) - 2 // from HuffmanOnly
		var w interface {
			io.Writer
			Flush() error
		}
		var err error
		if r.IntN(2) == 0 {
			w, err = flate.NewWriterDict(&b, level, dict)
		} else {
			w, err = klauspost.NewWriterDict(&b, level, dict)
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + r.IntN(3) { // may be copied from the one before
			w.Write(piece)
			plain = append(plain, piece...)
			if r.IntN(2) == 0 {
				w.Flush()
			}
		}
		w.Flush()
	}
	end := []byte{3, 0} // a last block, fixed and empty
	if r.IntN(2) == 0 {
		end = []byte{1, 0, 0, 0xff, 0xff}
	}
	return plain, append(b.Bytes(), end...)
}
