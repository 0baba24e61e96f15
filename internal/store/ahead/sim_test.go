package ahead

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// small reports whether objects in tests are smaller, and rates not compared.
func small() bool { return raceDetector || testing.Short() }

// sized returns a size in bytes for a test that is not small.
func sized(n int64) int64 {
	if small() {
		return n / 8
	}
	return n
}

// sim is a simulated store with one object. Under synctest its time is virtual.
type sim struct {
	size    int64
	latency time.Duration
	single  float64 // bytes/s of a request; 0 means no limit
	line    float64 // bytes/s of all
	chunk   int     // bytes that come at a time; 0 means 64 KiB
	sparse  bool    // of 4 KiB only the first 8 bytes, their offset, are written and compared

	// fault, if not nil, is called before the first byte of each request with its number, from 0 on. It says after how
	// many bytes the request fails; a negative number means never.
	fault func(n int, off, length int64) (after int64, err error)

	buffers  sync.Pool // of *[]byte
	mu       sync.Mutex
	free     time.Time // when the line is free
	ranges   [][2]int64
	bytes    int64
	running  int
	most     int // requests at a time
	memory   int64
	mostHeld int64 // bytes of requests at a time
}

var errSim = errors.New("the store fails")

// pattern is the content of every simulated object, again and again. Its length is prime.
var pattern = func() []byte {
	p := make([]byte, 1048583)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}()

func fillPattern(p []byte, off int64) {
	for n := 0; n < len(p); {
		n += copy(p[n:], pattern[(off+int64(n))%int64(len(pattern)):])
	}
}

func samePattern(p []byte, off int64) bool {
	for len(p) > 0 {
		want := pattern[off%int64(len(pattern)):]
		n := min(len(want), len(p))
		if !bytes.Equal(p[:n], want[:n]) {
			return false
		}
		p, off = p[n:], off+int64(n)
	}
	return true
}

// stamp is the distance of the bytes of a sparse object that count.
const stamp = 4 << 10

// fill writes the bytes at off.
func (s *sim) fill(p []byte, off int64) {
	if !s.sparse {
		fillPattern(p, off)
		return
	}
	for at, want := range stamps(off, len(p)) {
		p[at] = want
	}
}

// stamps yields the places and values of the bytes of a sparse object that count, of n at off.
func stamps(off int64, n int) iter.Seq2[int, byte] {
	return func(yield func(int, byte) bool) {
		for at := off / stamp * stamp; at < off+int64(n); at += stamp {
			for i := range int64(8) {
				if x := at + i - off; x >= 0 && x < int64(n) && !yield(int(x), byte(at>>(8*i))) {
					return
				}
			}
		}
	}
}

// same reports whether p are the bytes at off.
func (s *sim) same(p []byte, off int64) bool {
	if !s.sparse {
		return samePattern(p, off)
	}
	for at, want := range stamps(off, len(p)) {
		if p[at] != want {
			return false
		}
	}
	return true
}

func (s *sim) begin(off, n int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.ranges)
	s.ranges = append(s.ranges, [2]int64{off, off + n})
	s.running++
	s.most = max(s.most, s.running)
	s.memory += n
	s.mostHeld = max(s.mostHeld, s.memory)
	if s.fault != nil {
		return s.fault(i, off, n)
	}
	return -1, nil
}

func (s *sim) Fetch(ctx context.Context, p []byte, off int64, got func(int)) error {
	if off < 0 || off+int64(len(p)) > s.size || len(p) == 0 {
		return fmt.Errorf("a request for %d bytes at %d of %d", len(p), off, s.size)
	}
	after, err := s.begin(off, int64(len(p)))
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
		s.memory -= int64(len(p))
	}()
	if !sleep(ctx, s.latency) {
		return ctx.Err()
	}
	chunk := s.chunk
	if chunk == 0 {
		chunk = 64 << 10
	}
	for n := 0; n < len(p); {
		m := min(chunk, len(p)-n)
		if after >= 0 && int64(n+m) > after {
			m = int(after) - n
			s.fill(p[n:n+m], off+int64(n))
			got(n + m)
			return err
		}
		if !sleep(ctx, s.transfer(m)) {
			return ctx.Err()
		}
		s.fill(p[n:n+m], off+int64(n))
		n += m
		s.mu.Lock()
		s.bytes += int64(m)
		s.mu.Unlock()
		got(n)
	}
	return nil
}

// transfer returns how long the next n bytes of a request take.
func (s *sim) transfer(n int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	alone := time.Duration(0)
	if s.single > 0 {
		alone = time.Duration(float64(n) / s.single * 1e9)
	}
	if s.line == 0 {
		return alone
	}
	if s.free.Before(now) {
		s.free = now
	}
	s.free = s.free.Add(time.Duration(float64(n) / s.line * 1e9))
	return max(alone, s.free.Sub(now))
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// requests returns how many requests there were, and how many bytes were asked for.
func (s *sim) requests() (n int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.ranges {
		bytes += r[1] - r[0]
	}
	return len(s.ranges), bytes
}

// far is the line that the measures are for.
func far(size int64) *sim {
	return &sim{size: size, latency: 20 * time.Millisecond, single: 40e6, line: 125e6}
}

func openSim(t testing.TB, s *sim, memory int64) *Object {
	t.Helper()
	o := NewCache(Options{Memory: memory}).Open(s, Info{Size: s.size})
	t.Cleanup(func() { o.Close() })
	return o
}

func mustRead(t testing.TB, o *Object, off int64, n int) {
	t.Helper()
	s := o.src.(*sim)
	buf, _ := s.buffers.Get().(*[]byte)
	if buf == nil || len(*buf) < n {
		b := make([]byte, n)
		buf = &b
	}
	defer s.buffers.Put(buf)
	p := (*buf)[:n]
	if m, err := o.ReadAt(context.Background(), p, off); m != n || err != nil {
		t.Fatalf("%d bytes at %d: %d, %v", n, off, m, err)
	}
	if !s.same(p, off) {
		t.Fatalf("%d bytes at %d: wrong bytes", n, off)
	}
}
