package codec

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// A map can be used during the pass that makes it.
func TestMapGrows(t *testing.T) {
	plain := slices.Concat(text(700_000, 1), sampleTar(t, 700_000), noise(300_000, 1))
	for _, gz := range [][]byte{compress(t, plain, 6), members(t, plain, 200_000), compressOwn(t, plain, 1, 2)} {
		pass := newReader(t, bytes.NewReader(gz), 100_000)
		z := openAt(t, bytes.NewReader(gz), len(gz), pass.Map())
		var read atomic.Int64
		var running sync.WaitGroup
		for i := range 2 {
			running.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				for p := make([]byte, 50_000); ; {
					n := read.Load()
					off := r.Int64N(n + 1)
					q := p[:min(r.Int64N(50_000), n-off)]
					if _, err := z.ReadAt(t.Context(), q, off); err != nil {
						t.Errorf("%d bytes at %d: %v", len(q), off, err)
						return
					}
					if !bytes.Equal(q, plain[off:][:len(q)]) {
						t.Errorf("%d bytes at %d: wrong", len(q), off)
						return
					}
					if n == int64(len(plain)) {
						return
					}
				}
			})
		}
		for buf := make([]byte, 30_000); ; {
			n, err := pass.Read(buf)
			read.Add(int64(n))
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		running.Wait()
		checkMap(t, pass.Map(), gz, plain)
		got := make([]byte, len(plain)+1)
		// z does not know the length.
		if n, err := z.ReadAt(t.Context(), got, 0); n != len(plain) || err != io.EOF {
			t.Fatalf("%d bytes of %d, %v", n, len(plain), err)
		}
		same(t, got[:len(plain)], plain)
		if n, err := z.ReadAt(t.Context(), got, int64(len(plain))+100); n != 0 || err != io.EOF {
			t.Fatalf("after the end: %d bytes, %v", n, err)
		}
	}
}

// A pass that is ended early leaves a map of the bytes that were read.
func TestReaderClose(t *testing.T) {
	plain := text(1<<20, 1)
	gz := compress(t, plain, 6)
	for _, n := range []int{0, 1, 300_000, 700_001} {
		pass := newReader(t, bytes.NewReader(gz), 100_000)
		z := openAt(t, bytes.NewReader(gz), len(gz), pass.Map())
		if _, err := io.CopyN(io.Discard, pass, int64(n)); err != nil {
			t.Fatal(err)
		}
		pass.Close()
		checkMapOf(t, pass.Map(), gz, plain[:n], true)
		got := make([]byte, len(plain))
		if _, err := z.ReadAt(t.Context(), got, 0); err != nil {
			t.Errorf("%d bytes read before Close: %v", n, err)
		} else {
			same(t, got, plain) // Close of the pass does not affect z
		}
		if _, err := pass.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("read after Close: %v", err)
		}
	}
}

// The map depends on the bytes only, not on the sizes of reads.
func TestMapDeterministic(t *testing.T) {
	plain := slices.Concat(text(3<<20, 1), jpegLike(3<<20, 1))
	gz := compress(t, plain, 6)
	first, second := mapOf(t, gz, 0), mapOf(t, gz, 0)
	if first.Points.Len() != second.Points.Len() {
		t.Fatalf("%d and %d checkpoints", first.Points.Len(), second.Points.Len())
	}
	for i := range first.Points.Len() {
		a, b := first.Points.At(i), second.Points.At(i)
		if a.Out != b.Out || a.In != b.In || a.State != b.State ||
			!bytes.Equal(a.Window, b.Window) || !slices.Equal(a.Sums, b.Sums) {
			t.Fatalf("checkpoint %d: %d and %d", i, a.Out, b.Out)
		}
	}
}

// distantCopies returns a block of n copies of 3 bytes from 6144 before, and an empty block up to a whole byte.
func distantCopies(n int) (b []byte) {
	bits := 0
	put := func(s string) {
		for _, bit := range s {
			if bits%8 == 0 {
				b = append(b, 0)
			}
			b[bits/8] |= byte(bit-'0') << (bits % 8)
			bits++
		}
	}
	put("010") // not the last one, fixed codes
	for range n {
		put("0000001" + "11000" + "11111111111")
	}
	put("0000000" + "000")
	return append(b, 0, 0, 0xff, 0xff)
}

// The memory of a pass does not grow with long blocks, with many empty ones, or with many copies between blocks.
func TestPassMemory(t *testing.T) {
	end := append([]byte(deflateEnd), make([]byte, 8)...) // a wrong trailer, which comes last
	empty := bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 150_000)
	one := bytes.Repeat([]byte("\x00\x01\x00\xfe\xffx"), 150_000)
	const distantName = "copies from before their blocks"
	distant := slices.Concat([]byte("\x00\x00\x40\xff\xbf"), noise(16<<10, 1), bytes.Repeat(distantCopies(1700), 3000))
	for _, tt := range []struct {
		name string
		gz   []byte
	}{
		{"one long block", compressStd(t, make([]byte, 24<<20), 9)},
		{"empty blocks", slices.Concat([]byte(gzipHeader), one[:6*70_000], empty, end)},
		{"blocks of a byte", slices.Concat([]byte(gzipHeader), one, end)},
		{distantName, slices.Concat([]byte(gzipHeader), distant, end)},
		{"empty members", bytes.Repeat(compressStd(t, nil, 1), 20_000)},
	} {
		z := newReader(t, bytes.NewReader(tt.gz), 0)
		most, copies := 0, 0
		for buf := make([]byte, 64<<10); ; {
			_, err := z.Read(buf)
			if err != nil {
				break
			}
			z.Mark(0) // as if there was one large sample, before which a checkpoint would be best
			m := z.mapper
			copies = max(copies, len(m.copies))
			most = max(most, cap(m.plain.buf)+16*cap(m.copies)+1000*len(m.place.held)+100_000*len(m.due))
		}
		if most > 32<<20 {
			t.Errorf("%s: %d bytes kept", tt.name, most)
		}
		if copies > maxCopies || tt.name == distantName && copies < maxCopies/2 {
			t.Errorf("%s: %d copies kept", tt.name, copies)
		}
		if n := z.Map().Points.Len(); n > int(z.out/freeSpacing)+1 {
			t.Errorf("%s: %d checkpoints for %d bytes", tt.name, n, z.out)
		}
	}
}
