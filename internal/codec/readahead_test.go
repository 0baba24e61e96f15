package codec

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/internal/lru"
)

// aheadShard returns a shard with checkpoints about 256 KiB apart, and its map.
func aheadShard(t *testing.T, size int) (plain, gz []byte, m Map) {
	plain = noise(size, 1)
	gz = compress(t, plain, 0)
	return plain, gz, mapOf(t, gz, 256<<10)
}

func TestReadAhead(t *testing.T) {
	plain, gz, m := aheadShard(t, 32<<20)
	for _, o := range []ReaderAtOptions{
		{Workers: 2}, {Workers: 4}, {Workers: 2, Cache: NewCache(1)}, {Workers: 4, Cache: NewCache(2 << 20)},
	} {
		z := NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(gz)), m, o)
		p := make([]byte, 100_000)
		for off := 0; off < len(plain); off += len(p) {
			q := p[:min(len(p), len(plain)-off)]
			if _, err := z.ReadAt(t.Context(), q, int64(off)); err != nil {
				t.Fatal(err)
			}
			same(t, q, plain[off:][:len(q)])
		}
		z.ahead.running.Wait()
		budget := z.cache.budget()
		if started := z.ahead.readers[0].ahead > 0; started != (budget != 1) {
			t.Errorf("%d workers, %d bytes: decoded ahead: %v", o.Workers, budget, started)
		}
		if got := z.cache.unread.Cost(); got > max(budget, passPiece) {
			t.Errorf("%d workers, %d bytes: %d bytes cached", o.Workers, budget, got)
		}
		if z.Close(); z.cache.unread.Len()+z.cache.read.Len() > 0 {
			t.Errorf("%d workers, %d bytes: pieces of a closed reader are cached", o.Workers, budget)
		}
	}
}

// A read at a random place has the rest of its stretch decoded, so that reads of a whole shard in any order decode each
// byte once; a cache that is too small to keep it does not.
func TestFinish(t *testing.T) {
	plain, gz, m := aheadShard(t, 8<<20)
	for _, tt := range []struct {
		cache int64
		once  bool
	}{{16 << 20, true}, {1 << 20, false}} {
		src := newSource(gz)
		z := NewReaderAt(Gzip, FromReaderAt(src), int64(len(gz)), m,
			ReaderAtOptions{Workers: 1, Cache: NewCache(tt.cache)})
		order := rand.New(rand.NewPCG(1, 1)).Perm(len(plain) / 10_000)
		p := make([]byte, 10_000)
		for _, i := range order {
			if _, err := z.ReadAt(t.Context(), p, int64(i)*10_000); err != nil {
				t.Fatal(err)
			}
			same(t, p, plain[i*10_000:][:len(p)])
		}
		z.Close()
		// Input is read in blocks, also after the end of a stretch.
		if got, all := src.n.Load(), int64(len(gz)); (got < all*3/2) != tt.once {
			t.Errorf("with %d bytes of cache, %d bytes were decoded, the shard has %d", tt.cache, got, all)
		}
	}
}

// When a reader stops, at most a twentieth of what it has read was decoded ahead, or a MiB if that is more, and never
// more than a few MiB.
func TestReadAheadWaste(t *testing.T) {
	plain, gz, m := aheadShard(t, 46<<20)
	for _, stop := range []int{1 << 20, 2 << 20, 4 << 20, 12 << 20, 44 << 20} {
		z := NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(gz)), m, ReaderAtOptions{Workers: 2})
		p := make([]byte, 128<<10)
		for off := 0; off < stop; off += len(p) {
			if _, err := z.ReadAt(t.Context(), p, int64(off)); err != nil {
				t.Fatal(err)
			}
		}
		z.ahead.running.Wait()
		last := int64(0)
		for _, pieces := range []*lru.Cache[cacheKey, *cached]{z.cache.unread, z.cache.read} {
			for key, piece := range pieces.All() {
				last = max(last, key.off+int64(len(piece.data)))
			}
		}
		z.Close()
		waste := last - int64(stop)
		if waste > max(int64(stop)/aheadShare, aheadSoon)+passPiece || waste > 2*aheadOfWorker+passPiece {
			t.Errorf("stopped at %d MiB: %d bytes decoded after it", stop>>20, waste)
		}
		if stop < aheadFrom && waste > passPiece {
			t.Errorf("stopped at %d MiB: %d bytes decoded ahead", stop>>20, waste)
		}
		if stop > 12<<20 && waste < passPiece {
			t.Errorf("stopped at %d MiB: nothing decoded ahead", stop>>20)
		}
		same(t, p, plain[stop-len(p):stop])
	}
}

// cores is a source that simulates a number of cores, each of which takes some time to decode what it reads.
type cores struct {
	io.ReaderAt
	free chan bool
}

func (c cores) ReadAt(p []byte, off int64) (int, error) {
	c.free <- true
	time.Sleep(time.Duration(len(p)) * 5) // 200 MB/s
	<-c.free
	return c.ReaderAt.ReadAt(p, off)
}

// On two cores two workers are nearly twice as fast as one. The clock is simulated, so that this holds on a busy
// machine too.
func TestReadAheadScales(t *testing.T) {
	_, gz, m := aheadShard(t, 32<<20)
	took := func(size, workers int) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			src := cores{bytes.NewReader(gz), make(chan bool, 2)}
			z := NewReaderAt(Gzip, FromReaderAt(src), int64(len(gz)), m, ReaderAtOptions{Workers: workers})
			start := time.Now()
			in := struct{ io.Reader }{io.NewSectionReader(at(t.Context(), z), 0, int64(size))}
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in, make([]byte, 128<<10)); err != nil {
				t.Fatal(err)
			}
			d = time.Since(start)
			z.Close()
		})
		return d
	}
	for _, tt := range []struct {
		size int
		want float64 // times as fast as one worker
	}{{8 << 20, 1.25}, {32 << 20, 1.6}} {
		if got := float64(took(tt.size, 1)) / float64(took(tt.size, 2)); got < tt.want {
			t.Errorf("%d MiB: %.2f times as fast, want %.2f", tt.size>>20, got, tt.want)
		}
	}
}

// For random reads nothing is decoded ahead, even if some of them are in order for a few MiB.
func TestReadAheadRandom(t *testing.T) {
	plain, gz, m := aheadShard(t, 32<<20)
	var read [3]int64
	for workers := 1; workers <= 2; workers++ {
		src := newSource(gz)
		o := ReaderAtOptions{Workers: workers, Cache: NewCache(1 << 20)}
		z := NewReaderAt(Gzip, FromReaderAt(src), int64(len(gz)), m, o)
		r := rand.New(rand.NewPCG(1, 1))
		p := make([]byte, 100_000)
		for i := range 80 {
			off := r.Int64N(int64(len(plain) - 30*len(p)))
			for range 1 + i%20 {
				if _, err := z.ReadAt(t.Context(), p, off); err != nil {
					t.Fatal(err)
				}
				off += int64(len(p))
			}
		}
		z.Close()
		read[workers] = src.n.Load()
	}
	if read[1] != read[2] {
		t.Errorf("%d bytes read with one worker, %d with two", read[1], read[2])
	}
}

// Damage that decoding ahead meets is an error only of the reads that get there, and nothing hangs.
func TestReadAheadDamaged(t *testing.T) {
	plain, gz, m := aheadShard(t, 48<<20)
	bad := slices.Clone(gz)
	bad[40<<20]++
	for _, gz := range [][]byte{bad, gz[:40<<20]} {
		z := NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(bad)), m, ReaderAtOptions{Workers: 2})
		p := make([]byte, 128<<10)
		refused, last := 0, 0
		for off := 0; off < len(plain); off += len(p) {
			n, err := z.ReadAt(t.Context(), p, int64(off))
			same(t, p[:n], plain[off:off+n])
			if err != nil {
				refused++
				last = off
			}
			if off < 39<<20 && err != nil {
				t.Fatalf("at %d: %v", off, err)
			}
		}
		z.Close()
		if refused == 0 || last < 39<<20 {
			t.Errorf("%d reads refused, the last at %d", refused, last)
		}
	}
}

// Close ends decoding ahead; reading still works.
func TestReaderAtClose(t *testing.T) {
	plain, gz, m := aheadShard(t, 40<<20)
	z := NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(gz)), m, ReaderAtOptions{Workers: 4})
	p := make([]byte, 1<<20)
	for off := 0; off < 32<<20; off += len(p) {
		if _, err := z.ReadAt(t.Context(), p, int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	if z.ahead.busy != 0 {
		t.Errorf("%d cursors still busy", z.ahead.busy)
	}
	readRandom(t, z, plain, 10, 1)
	if err := errors.Join(z.Close(), z.Close()); err != nil || z.ahead.busy != 0 {
		t.Error(err)
	}
}
