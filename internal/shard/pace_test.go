package shard

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/memory"
)

// slow is a remote store whose objects take a millisecond a read. It records how far they were read.
type slow struct {
	*memory.Store
	furthest atomic.Int64
}

func (s *slow) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := s.Store.Open(ctx, name)
	return slowObject{o, s}, err
}

type slowObject struct {
	store.Object
	s *slow
}

func (o slowObject) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	time.Sleep(time.Millisecond)
	o.s.furthest.Store(max(o.s.furthest.Load(), off))
	return o.Object.ReadAt(ctx, p, off)
}

func (slowObject) Exact() bool { return true } // nothing is read but by the scan

// The scan of a remote shard stays near a reader that goes on, until somebody waits for more of the index, or the reader
// stops.
func TestPace(t *testing.T) {
	const samples = 600
	plain := makeTar(t, samples, 100_000)
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New()}
		s.Put("https://host/a.tar", plain)
		sh := mustOpen(t, "https://host/a.tar", Options{Store: s, Growing: true})
		defer sh.Close()
		isThere := func(n int) func(x *index.Index) bool {
			return func(x *index.Index) bool { return x.Samples() > n }
		}
		if err := sh.Wait(t.Context(), isThere(0)); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := sh.ReadAt(t.Context(), make([]byte, 1000), 512); err != nil {
				t.Fatal(err)
			}
			time.Sleep(readPause / 2)
		}
		if at := s.furthest.Load(); at < scanAhead-1<<20 || at > scanAhead+1<<20 {
			t.Errorf("the scan is at %d while the first sample is read", at)
		}
		start := time.Now()
		if err := sh.Wait(t.Context(), isThere(samples*2/3)); err != nil || time.Since(start) > readPause/2 {
			t.Errorf("a later sample after %v, %v", time.Since(start), err)
		}
		if !sh.Growing() {
			t.Error("the scan goes on after what was waited for")
		}
		if _, err := sh.Built(); err != nil || time.Since(start) > 3*readPause {
			t.Errorf("all is indexed %v after the last read, %v", time.Since(start), err)
		}
	})
}

// A scan that waits for its reader ends when the shard is closed.
func TestClosePaced(t *testing.T) {
	plain := makeTar(t, 500, 100_000)
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New()}
		s.Put("https://host/a.tar", plain)
		sh, err := Open(t.Context(), "https://host/a.tar", Options{Store: s, Growing: true})
		if err != nil {
			t.Fatal(err)
		}
		sh.ReadAt(t.Context(), make([]byte, 1000), 512)
		time.Sleep(readPause / 2)
		if !sh.Growing() {
			t.Error("the scan does not wait")
		}
		sh.Close()
	})
}

// Several scans share how far they go on.
func TestHolds(t *testing.T) {
	var p pace
	if p.holds(scanAhead+1, 1) {
		t.Error("a scan waits that has no reader")
	}
	p.reading(100)
	for scans, most := range map[int64]int64{0: scanAhead, 1: scanAhead, 4: scanAhead / 4, 1000: leastAhead} {
		if p.holds(100+most, scans) || !p.holds(100+most+1, scans) {
			t.Errorf("%d scans: not up to %d", scans, most)
		}
	}
}
