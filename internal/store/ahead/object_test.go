package ahead

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Reads at the edges, like those of an io.ReaderAt.
func TestReadAt(t *testing.T) {
	bubble(t, "edges", func(t *testing.T) {
		o := openSim(t, far(1000), 0)
		for _, tt := range []struct {
			off  int64
			n    int
			want int
			err  error
		}{
			{0, 1000, 1000, nil}, {0, 1001, 1000, io.EOF}, {999, 1, 1, nil}, {999, 2, 1, io.EOF},
			{1000, 1, 0, io.EOF}, {5000, 1, 0, io.EOF}, {-1, 1, 0, errOffset}, {0, 0, 0, nil}, {2000, 0, 0, nil},
		} {
			p := make([]byte, tt.n)
			n, err := o.ReadAt(t.Context(), p, tt.off)
			if n != tt.want || err != tt.err || !samePattern(p[:n], tt.off) {
				t.Errorf("%d bytes at %d: %d, %v, want %d, %v", tt.n, tt.off, n, err, tt.want, tt.err)
			}
		}
		o.WillRead(-1, 5)
		o.WillRead(0, -5)
		o.WillRead(999, 1<<62)
		o.WillRead(1<<62, 1<<62)
	})
}

// A reader gets the first bytes of a part before the last have come.
func TestBytesAsTheyCome(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := far(64 << 20)
		o := openSim(t, s, 0)
		o.WillRead(0, 8<<20)
		start := time.Now()
		mustRead(t, o, 0, 64<<10)
		if took := time.Since(start); took > 25*time.Millisecond {
			t.Errorf("the first of 8 MiB took %v", took)
		}
		mustRead(t, o, 8<<20-4, 4)
		if n, _ := s.requests(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// A context that ends ends its read at once, and no other.
func TestContextEnds(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := far(1 << 20)
		s.latency = time.Minute
		o := openSim(t, s, 0)
		cause := errors.New("the reader has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			n, err := o.ReadAt(ctx, make([]byte, 1000), 0)
			if n != 0 || err != cause {
				t.Errorf("%d, %v", n, err)
			}
			if n, err = o.ReadAt(ctx, make([]byte, 1000), 0); n != 0 || err != cause {
				t.Errorf("once more: %d, %v", n, err)
			}
		})
		synctest.Wait()
		running.Go(func() { mustRead(t, o, 500, 500) })
		synctest.Wait()
		start := time.Now()
		cancel(cause)
		synctest.Wait()
		if time.Since(start) > 0 {
			t.Error("it took time")
		}
		running.Wait()
		if n, _ := s.requests(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// Close ends what is in flight, and what reads it, and frees all memory.
func TestClose(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := far(1 << 30)
		c := NewCache(Options{})
		o, other := c.Open(s, Info{Size: s.size}), c.Open(s, Info{Size: s.size})
		mustRead(t, other, 0, 100)
		for off := range int64(100) {
			mustRead(t, o, off<<20, 1<<20)
		}
		var running sync.WaitGroup
		running.Go(func() {
			if _, err := o.ReadAt(t.Context(), make([]byte, 10), 900<<20); !errors.Is(err, os.ErrClosed) {
				t.Errorf("a read in progress: %v", err)
			}
		})
		synctest.Wait()
		start := time.Now()
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
		if time.Since(start) > 0 {
			t.Errorf("it took %v", time.Since(start))
		}
		if _, err := o.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a read after it: %v", err)
		}
		o.WillRead(0, 100)
		mustRead(t, other, 0, 100)
		other.Close()
		if c.used != 0 || len(c.flows) != 0 {
			t.Errorf("%d bytes are used, by %d flows", c.used, len(c.flows))
		}
	})
}

// An error is that of the reads that need the bytes that did not come. What came before is kept, and the rest is asked
// for again by the next read, and not before.
func TestErrors(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := far(64 << 20)
		s.fault = func(n int, off, length int64) (int64, error) {
			if n == 0 || off >= 32<<20 {
				return min(300<<10, length-1), errSim
			}
			return -1, nil
		}
		o := openSim(t, s, 0)
		o.WillRead(0, 1<<20)
		p := make([]byte, 1<<20)
		n, err := o.ReadAt(t.Context(), p, 0)
		if n != 300<<10 || err != errSim || !samePattern(p[:n], 0) {
			t.Errorf("%d, %v", n, err)
		}
		mustRead(t, o, 0, 300<<10)
		if n, _ := s.requests(); n != 1 {
			t.Errorf("%d requests", n)
		}
		mustRead(t, o, 0, 1<<20)
		for _, r := range s.ranges[1:] {
			if r[0] < 300<<10 {
				t.Errorf("what had come before the error is fetched again: %d", r)
			}
		}
		off := int64(0)
		for ; off < 32<<20; off += 128 << 10 {
			mustRead(t, o, off, 128<<10)
		}
		synctest.Wait()
		before, _ := s.requests()
		for range 10 {
			if n, err := o.ReadAt(t.Context(), p, off); err != errSim {
				t.Errorf("%d, %v", n, err)
			}
			time.Sleep(time.Second)
		}
		if n, _ := s.requests(); n-before > 30 {
			t.Errorf("%d requests for 10 reads that fail", n-before)
		}
	})
}

// A reader that goes away wastes little more than it has read, and 3 MiB if it has not read much.
func TestAbandoned(t *testing.T) {
	for _, read := range []int64{1, 64 << 10, 256 << 10, 1 << 20, 10 << 20, sized(100 << 20)} {
		bubble(t, "", func(t *testing.T) {
			s := far(1 << 30)
			o := openSim(t, s, 0)
			for off := int64(0); off < read; off += 64 << 10 {
				mustRead(t, o, off, int(min(64<<10, read-off)))
			}
			time.Sleep(time.Minute)
			_, bytes := s.requests()
			if bytes > read+max(min(2*read, 100<<20), 3<<20) || read <= 64<<10 && bytes != read {
				t.Errorf("%d bytes were read, %d fetched", read, bytes)
			} else {
				t.Logf("%d bytes were read, %d fetched", read, bytes)
			}
		})
	}
}

// Skips forward keep a flow, and what is in flight is used.
func TestSkips(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := far(sized(1 << 30))
		s.sparse = true
		o := openSim(t, s, 0)
		start := time.Now()
		read := int64(0)
		for off := int64(0); off < s.size; off += 20 << 20 { // 16 MiB read, 4 skipped
			for at := off; at < min(off+16<<20, s.size); at += 128 << 10 {
				mustRead(t, o, at, 128<<10)
				read += 128 << 10
			}
		}
		rate := float64(read) / time.Since(start).Seconds()
		n, bytes := s.requests()
		t.Logf("%.0f MB/s, %d requests, %.3f bytes", rate/1e6, n, float64(bytes)/float64(read))
		if !small() && rate < 0.9*0.8*s.line || n > 140 || bytes > s.size {
			t.Errorf("%.0f MB/s, %d requests, %d bytes", rate/1e6, n, bytes)
		}
	})
}

// Several readers at different places are a flow each, such as the decoders of a compressed shard.
func TestSeveralReaders(t *testing.T) {
	for _, readers := range []int64{2, 5, 16} {
		bubble(t, "", func(t *testing.T) {
			s := far(sized(1 << 30))
			s.sparse = true
			o := openSim(t, s, 256<<20)
			start := time.Now()
			var running sync.WaitGroup
			each := s.size / readers
			for i := range readers {
				running.Go(func() {
					for off := i * each; off < (i+1)*each; off += 64 << 10 {
						mustRead(t, o, off, int(min(64<<10, (i+1)*each-off)))
					}
				})
			}
			running.Wait()
			synctest.Wait()
			n, bytes := s.requests()
			rate := float64(s.size) / time.Since(start).Seconds() / s.line
			t.Logf("%.3f of the line, %d requests, %.3f bytes", rate, n, float64(bytes)/float64(s.size))
			// No reader tells where it will stop.
			if !small() && (rate < 0.93 || n > 140+16*int(readers) || bytes > s.size*115/100) {
				t.Error("that is too much")
			}
		})
	}
}

// All objects together keep to the budget, however small, and reads never wait for it.
func TestBudget(t *testing.T) {
	for _, memory := range []int64{4 << 20, 64 << 20, 256 << 20} {
		bubble(t, "", func(t *testing.T) {
			c := NewCache(Options{Memory: memory})
			line := far(sized(64 << 20))
			line.sparse = true
			most := int64(0)
			var running sync.WaitGroup
			for i := range 64 {
				o := c.Open(line, Info{Size: line.size, Store: "one"})
				running.Go(func() {
					defer o.Close()
					r := rand.New(rand.NewPCG(uint64(i), 0))
					for off := int64(0); off < line.size/4; off += 100 << 10 {
						mustRead(t, o, off, 100<<10)
						if r.IntN(10) == 0 {
							mustRead(t, o, r.Int64N(line.size-1000), 1000)
						}
						c.mu.Lock()
						most = max(most, c.used)
						c.mu.Unlock()
					}
				})
			}
			start := time.Now()
			running.Wait()
			n, bytes := line.requests()
			read := line.size / 4 * 64
			t.Logf("of %d MiB at most %d KiB; %d requests, %.2f bytes, %.2f of the line", memory>>20, most>>10, n,
				float64(bytes)/float64(read), float64(read)/time.Since(start).Seconds()/line.line)
			if most > memory || c.used != 0 {
				t.Errorf("%d bytes of %d, and %d in the end", most, memory, c.used)
			}
		})
	}
}

// The beginning of an object comes with its opening, in memory of the budget where there is room.
func TestBegin(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		c := NewCache(Options{Memory: 4 << 20})
		s := far(1 << 20)
		for i, tt := range []struct{ buffer, n, requests int }{
			{1 << 20, 1 << 20, 0}, {1 << 20, 1000, 0}, {1 << 20, 0, 1}, {64 << 10, 64 << 10, 0}, {8 << 20, 1 << 20, 0},
		} {
			b := c.Buffer(tt.buffer)
			fillPattern(b.Bytes[:tt.n], 0)
			o := c.Open(s, Info{Size: s.size})
			o.Begin(b, tt.n)
			b.Free()
			before, _ := s.requests()
			mustRead(t, o, 0, max(tt.n, 1))
			if n, _ := s.requests(); n-before != tt.requests {
				t.Errorf("%d: %d requests", i, n-before)
			}
			o.Close()
			if c.used != 0 {
				t.Fatalf("%d: %d bytes are used in the end", i, c.used)
			}
		}
	})
}

// A glance is one request for what is not there, and what is read of it has no more fetched.
func TestGlance(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := far(64 << 20)
		o := openSim(t, s, 0)
		mustRead(t, o, 0, 64<<10) // as the object is opened
		o.WillGlance(0, 5<<20)
		for off := int64(0); off < 5<<20; off += 100 << 10 {
			mustRead(t, o, off, 512)
			mustRead(t, o, off+512, 10<<10)
		}
		o.WillGlance(-1, 5)
		o.WillGlance(0, -5)
		o.WillGlance(64<<20, 1)
		synctest.Wait()
		if n, bytes := s.requests(); n != 2 || bytes != 5<<20 {
			t.Errorf("%d requests, %d bytes", n, bytes)
		}
		o.WillGlance(64<<20-10, 1<<40)
		mustRead(t, o, 64<<20-10, 10)
		mustRead(t, o, 5<<20-10, 20) // the end of it, and what comes after it
		if n, _ := s.requests(); n != 4 {
			t.Errorf("%d requests", n)
		}
	})
}
