package codec

import (
	"context"
	"math"
	"slices"
	"sort"
	"sync"
)

// How far to decode ahead: at most a twentieth of the bytes read in order, which limits the waste when the reader
// stops, and at most aheadOfWorker bytes per worker and half of the cache. After aheadFrom bytes in order it is at
// least aheadSoon; without that, two workers are hardly faster than one in the first 20 MiB.
const (
	aheadShare    = 20
	aheadOfWorker = 2 << 20
	aheadFrom     = 3 << 20
	aheadSoon     = 1 << 20
)

// aheadLeast is how many plain bytes a cursor decodes ahead at least, across several checkpoints if they are dense. For
// a reader that has not read much yet it is less: half of what may be decoded ahead.
const aheadLeast = 1 << 20

// maxReaders is how many readers are tracked at the same time.
const maxReaders = 8

// readAhead tracks the readers that read in order.
type readAhead struct {
	ctx     context.Context // of decoding ahead; stop ends it
	stop    context.CancelFunc
	workers int            // how many goroutines may decode ahead; fewer than 2 mean none
	busy    int            // how many are decoding ahead
	running sync.WaitGroup // for them
	readers []*reader      // least recent first
}

// reader is a sequence of reads in order.
type reader struct {
	next  int64 // offset after the last read
	run   int64 // bytes read in order
	ahead int64 // offset up to which cursors decode or have decoded ahead
}

// follow records a read and starts decoding the bytes that its reader will need next.
func (z *ReaderAt) follow(from, to int64) {
	a := &z.ahead
	if a.workers < 2 {
		return
	}
	// Reads of one reader may arrive slightly out of order, so they may be before or after the next byte.
	i := slices.IndexFunc(a.readers, func(r *reader) bool {
		return r.next-cursorReach <= from && from <= r.next+cursorReach
	})
	var r *reader
	switch {
	case i >= 0:
		r = a.readers[i]
		a.readers = slices.Delete(a.readers, i, i+1)
	case len(a.readers) == maxReaders:
		a.readers = slices.Delete(a.readers, 0, 1)
		fallthrough
	default:
		r = &reader{next: from}
	}
	a.readers = append(a.readers, r)
	if to > r.next {
		r.run += to - max(from, r.next)
		r.next = to
	}
	z.readAhead(r)
}

// readAhead starts cursors for the bytes that a reader will need next.
func (z *ReaderAt) readAhead(r *reader) {
	for z.ahead.busy < z.ahead.workers {
		c, end := z.nextAhead(r)
		if c == nil {
			return
		}
		z.ahead.busy++
		z.ahead.running.Go(func() {
			z.mu.Lock()
			defer z.mu.Unlock()
			z.decodeAhead(c, end)
			z.ahead.busy--
			z.readAhead(r)
		})
	}
}

// nextAhead returns a busy cursor at the next plain bytes for a reader, and the offset up to which to decode; nil if
// there is nothing to decode.
func (z *ReaderAt) nextAhead(r *reader) (*cursor, int64) {
	reach := r.run / aheadShare
	if r.run >= aheadFrom {
		reach = max(reach, aheadSoon)
	}
	reach = min(reach, int64(z.ahead.workers)*aheadOfWorker, z.cache.budget()/2)
	points := z.m.Points
	n := points.Len()
	for r.next+reach > r.ahead {
		from := max(r.next, r.ahead)
		i := sort.Search(n, func(i int) bool { return points.Out(i) >= from })
		if i >= n {
			return nil, 0
		}
		start := points.At(i)
		i += sort.Search(n-i, func(j int) bool { return points.Out(i+j) >= start.Out+min(aheadLeast, reach/2) })
		end := z.m.Plain
		if i < n {
			end = points.Out(i)
		}
		if end == math.MaxInt64 || end > r.next+reach || end <= start.Out {
			return nil, 0
		}
		r.ahead = end
		if z.cache.has(z.piece(start.Out)) {
			continue
		}
		c := z.cursorAt(start)
		if c == nil {
			return nil, 0
		}
		c.busy, c.far, c.to, c.in.ctx = true, true, end, z.ahead.ctx
		return c, end
	}
	return nil, 0
}

// cursorAt returns an idle cursor at a checkpoint, or nil if none is available.
func (z *ReaderAt) cursorAt(point Checkpoint) *cursor {
	for _, c := range z.cursors {
		if !c.busy && c.from == point.Out {
			return c
		}
	}
	c := z.spare()
	if c == nil || z.start(z.ahead.ctx, c, point) != nil {
		return nil // a read of these bytes will return the error
	}
	return c
}

// finish lets a cursor, which a read at a random place has started, decode in the background up to the next checkpoint.
// Reads of what comes before that would otherwise have to start at the same checkpoint again. It reports whether it does:
// not if the cache is too small to keep what it decodes.
func (z *ReaderAt) finish(c *cursor, read extent) bool {
	end := z.stretchEnd(read.point)
	if !c.random || c.from >= end || end == math.MaxInt64 || z.ahead.workers == 0 || !z.cache.holds(z.m.Plain) {
		return false
	}
	c.random, c.far, c.to, c.in.ctx = false, true, end, z.ahead.ctx
	z.ahead.running.Go(func() {
		z.mu.Lock()
		defer z.mu.Unlock()
		z.decodeAhead(c, end)
	})
	return true
}

// stretchEnd returns the plain offset of the checkpoint after another one, or the end of the shard.
func (z *ReaderAt) stretchEnd(point Checkpoint) int64 {
	points := z.m.Points
	n := points.Len()
	if i := sort.Search(n, func(i int) bool { return points.Out(i) > point.Out }); i < n {
		return points.Out(i)
	}
	return z.m.Plain
}

// decodeAhead decodes up to end, or until z is closed.
func (z *ReaderAt) decodeAhead(c *cursor, end int64) {
	defer z.moved.Broadcast()
	for z.ahead.workers > 0 && c.from < end {
		p, err := z.extentAt(c.from)
		whole := err == nil && !p.open && p.off == c.from // otherwise the checkpoints are out of order
		if whole {
			whole, err = z.advance(c, p)
		}
		if err != nil || !whole {
			z.remove(c) // a read of these bytes will return the error
			return
		}
	}
	c.busy, c.far = false, false
	z.remove(c)
	z.cursors = append(z.cursors, c)
}
