package ahead

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a story in virtual time. It fails if a goroutine is left.
func bubble(t *testing.T, name string, story func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, story) })
}

// A walk in order is nearly as fast as the line.
func TestWalk(t *testing.T) {
	for _, tt := range []struct {
		name         string
		latency      time.Duration
		single, line float64
		size         int64
		piece        int
		share        float64 // of the line
	}{
		{"far", 20 * time.Millisecond, 40e6, 125e6, 1 << 30, 64 << 10, 0.95},
		{"far, long reads", 20 * time.Millisecond, 40e6, 125e6, 1 << 30, 32 << 20, 0.95},
		{"one request is enough", 20 * time.Millisecond, 125e6, 125e6, 256 << 20, 128 << 10, 0.95},
		{"slow start on a fast line", 20 * time.Millisecond, 80e6, 1e9, 1 << 30, 1 << 20, 0.6},
		{"near", time.Millisecond, 200e6, 1e9, 256 << 20, 128 << 10, 0.8},
		{"very far", 150 * time.Millisecond, 10e6, 100e6, 512 << 20, 128 << 10, 0.6},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			s := &sim{size: sized(tt.size), latency: tt.latency, single: tt.single, line: tt.line, sparse: true}
			o := openSim(t, s, 256<<20)
			start := time.Now()
			for off := int64(0); off < s.size; off += int64(tt.piece) {
				mustRead(t, o, off, tt.piece)
			}
			s.check(t, start, s.size, tt.share, int(140*s.size>>30)+8)
		})
	}
}

// check compares what a story has cost with what it may cost for the bytes that it has read.
func (s *sim) check(t *testing.T, start time.Time, read int64, share float64, requests int) {
	t.Helper()
	synctest.Wait()
	took := time.Since(start)
	n, bytes := s.requests()
	got := float64(read) / took.Seconds() / s.line
	t.Logf("%.3f of the line, %d requests, %.3f bytes, at most %d and %d MiB at a time",
		got, n, float64(bytes)/float64(read), s.most, s.mostHeld>>20)
	if got < share && !small() || n > requests || bytes > read*102/100 {
		t.Errorf("%.3f of the line, %d requests, %.3f bytes; want %.3f, %d, 1.02",
			got, n, float64(bytes)/float64(read), share, requests)
	}
}

// view announces samples as package view does.
type view struct {
	mu          sync.Mutex
	o           *Object
	each        int64
	last, until int64
}

func (v *view) reading(n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	last := v.last - 1
	v.last = n + 1
	const window = 2 << 20
	start, end := n*v.each, (n+1)*v.each
	switch {
	case last == n:
		return
	case n != last+1:
		v.o.WillRead(start, v.each)
		return
	}
	if v.until > start && v.until-start <= 2*window {
		if v.until-end > window/2 {
			return
		}
		start = v.until
	}
	v.until = min(end+window, v.o.size)
	v.o.WillRead(start, v.until-start)
}

// Samples that are read in order are one flow, by however many workers, and if the kernel's reads of a file come in any
// order.
func TestSamplesInOrder(t *testing.T) {
	const each = 101 << 10
	const count = 2000
	for _, workers := range []int{1, 2, 8, 32} {
		for _, readers := range []int{1, 4} {
			bubble(t, fmt.Sprintf("%d workers, %d reads", workers, readers), func(t *testing.T) {
				s := far(sized(each * count))
				s.sparse = true
				o := openSim(t, s, 256<<20)
				v := &view{o: o, each: each}
				start := time.Now()
				samples := make(chan int64)
				var running sync.WaitGroup
				for range workers {
					running.Go(func() {
						for n := range samples {
							v.reading(n)
							readSample(t, o, n, each, readers)
						}
					})
				}
				for n := range s.size / each {
					samples <- n
				}
				close(samples)
				running.Wait()
				s.check(t, start, s.size, 0.85, 40+2*workers)
			})
		}
	}
}

// readSample reads the members of a sample after their headers, in pieces, several at a time in any order.
func readSample(t *testing.T, o *Object, n, each int64, readers int) {
	const piece = 16 << 10
	offs := make(chan int64, each/piece+1)
	for off := int64(512); off < each; off += piece {
		offs <- off
	}
	close(offs)
	var running sync.WaitGroup
	for i := range readers {
		running.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), uint64(i)))
			for off := range offs {
				if readers > 1 {
					time.Sleep(time.Duration(r.IntN(1000)) * time.Nanosecond)
				}
				mustRead(t, o, n*each+off, int(min(piece, each-off)))
			}
		})
	}
	running.Wait()
}

// A sample at a random place is one request of exactly its bytes.
func TestRandomSamples(t *testing.T) {
	for _, each := range []int64{10 << 10, 101 << 10, 3 << 20} {
		for _, count := range []int64{100, 5000} {
			bubble(t, fmt.Sprintf("%d of %d", count, each), func(t *testing.T) {
				s := far(each * count)
				o := openSim(t, s, 256<<20)
				v := &view{o: o, each: each}
				r := rand.New(rand.NewPCG(1, 2))
				const reads = 50
				for i, n := range r.Perm(int(count) / 2)[:reads] {
					n = 2*n + 1 // none is next to another, and the first of a shard is the beginning of a walk
					start := time.Now()
					v.reading(int64(n))
					readSample(t, o, int64(n), each, 1)
					took, want := time.Since(start), s.latency+time.Duration(float64(each)/s.single*1.1e9)
					if requests, bytes := s.requests(); i == 0 && (requests != 1 || bytes != each || took > want) {
						t.Errorf("the first: %d requests, %d bytes, %v", requests, bytes, took)
					}
				}
				requests, bytes := s.requests()
				t.Logf("%d requests, %.2f bytes", requests, float64(bytes)/float64(reads*each))
				// In a small shard some happen to be near each other, and look like a walk.
				if count > 100 && (requests > reads*11/10 || bytes > reads*each*11/10+firstPart) {
					t.Errorf("%d requests, %d bytes", requests, bytes)
				}
			})
		}
	}
}

// A scan of headers that are close to each other is a walk, and what it fetches serves the reads after it. If they are
// farther apart than what comes in a round trip, each is fetched alone.
func TestScan(t *testing.T) {
	for _, tt := range []struct {
		name    string
		latency time.Duration
		line    float64 // bytes/s; 0 means that of far
		each    int64
		count   int64
		streams bool
	}{
		{"images", 20 * time.Millisecond, 0, 101 << 10, 2000, true},
		{"images on a slow line", time.Millisecond, 2e6, 101 << 10, 1000, false},
		{"videos", 20 * time.Millisecond, 0, 5 << 20, 200, false},
		{"videos nearby", time.Millisecond, 0, 5 << 20, 40, false},
		{"audio", 20 * time.Millisecond, 0, 1 << 20, 200, true},
		{"audio nearby", time.Millisecond, 0, 1 << 20, 200, false},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			s := far(tt.each * tt.count)
			s.sparse = true
			if s.latency = tt.latency; tt.line > 0 {
				s.single, s.line, s.chunk = tt.line, tt.line, 4<<10
			}
			o := openSim(t, s, 256<<20)
			first := o.c.Buffer(1 << 20) // as it comes with the opening
			if err := s.Fetch(t.Context(), first.Bytes, 0, func(int) {}); err != nil {
				t.Fatal(err)
			}
			o.Begin(first, 1<<20)
			first.Free()
			start := time.Now()
			for n := range tt.count {
				mustRead(t, o, n*tt.each, 4<<10)
			}
			took := time.Since(start)
			synctest.Wait()
			requests, bytes := s.requests()
			t.Logf("%v, %d requests, %.3f bytes", took, requests, float64(bytes)/float64(s.size))
			if tt.streams {
				if took.Seconds() > float64(s.size)/s.line*1.2 || requests > 45 {
					t.Errorf("%v and %d requests", took, requests)
				}
				for n := range tt.count {
					readSample(t, o, n, tt.each, 1)
				}
				if n, bytes := s.requests(); n > requests+4 || bytes > s.size*102/100 {
					t.Errorf("reads after it: %d requests more, %d bytes", n-requests, bytes)
				}
				return
			}
			if took > time.Duration(tt.count)*(tt.latency+5*time.Millisecond)+5*time.Second || bytes > s.size/2 {
				t.Errorf("%v and %d bytes", took, bytes)
			}
		})
	}
}

// A scan does not go so far ahead of a reader of what it has found that its bytes are evicted before they are read.
func TestScanAndReader(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		const each = 101 << 10
		s := far(each * 3000)
		s.sparse = true
		o := openSim(t, s, 64<<20)
		found := make(chan int64, s.size/each)
		start := time.Now()
		var running sync.WaitGroup
		running.Go(func() {
			defer close(found)
			for n := range s.size / each {
				mustRead(t, o, n*each, 4<<10)
				found <- n
			}
		})
		running.Go(func() {
			v := &view{o: o, each: each}
			for n := range found {
				v.reading(n)
				time.Sleep(3 * time.Millisecond)
				readSample(t, o, n, each, 1)
			}
		})
		running.Wait()
		n, bytes := s.requests()
		t.Logf("%v, %d requests, %.3f bytes", time.Since(start), n, float64(bytes)/float64(s.size))
		if n > 60 || bytes > s.size*102/100 {
			t.Errorf("%d requests, %.3f bytes", n, float64(bytes)/float64(s.size))
		}
	})
}

// A store that asks for fewer requests gets fewer.
func TestBackOff(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := far(1 << 30)
		s.sparse = true
		o := openSim(t, s, 0)
		walk := func(from, to int64) {
			for off := from; off < to; off += 128 << 10 {
				mustRead(t, o, off, 128<<10)
			}
		}
		walk(0, 256<<20)
		most := func() (n int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			n, s.most = s.most, 0
			return n
		}
		before := most()
		for range 3 {
			o.c.BackOff("")
		}
		walk(256<<20, 300<<20)
		most()
		walk(300<<20, 360<<20)
		if after := most(); before < 6 || after > 3 {
			t.Errorf("%d requests at a time before, %d after", before, after)
		}
	})
}
