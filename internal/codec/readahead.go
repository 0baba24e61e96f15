package codec

import (
	"math"
	"slices"
	"sort"
	"sync"
)

// How far is decoded in advance, at most: a twentieth of what has been read in order, so that no more than that is in vain
// when the reader stops; and so many bytes for each worker, or half of the cache. Who has read aheadFrom in order is trusted
// with aheadSoon; without that two workers are hardly faster than one over the first 20 MiB.
const (
	aheadShare    = 20
	aheadOfWorker = 2 << 20
	aheadFrom     = 3 << 20
	aheadSoon     = 1 << 20
)

// aheadLeast is how many plain bytes a cursor decodes in advance at least, over several checkpoints if they are dense; it is
// less, half of what may be decoded in advance, for one who has not read much yet.
const aheadLeast = 1 << 20

// maxReaders is how many readers are followed at the same time.
const maxReaders = 8

// readAhead knows who reads in order.
type readAhead struct {
	workers int            // that may decode in advance; none below 2
	busy    int            // that do
	running sync.WaitGroup // for them
	readers []*reader      // who has read last is last
}

// reader is someone who reads in order.
type reader struct {
	next  int64 // offset behind what has been read
	run   int64 // bytes that have been read in order
	ahead int64 // offset up to which cursors decode or have decoded in advance
}

// follow notes a read and starts to decode what its reader will need next.
func (z *ReaderAt) follow(from, to int64) {
	a := &z.ahead
	if a.workers < 2 {
		return
	}
	// Reads of one reader may come a little out of order, so they may lie before and behind the next byte.
	i := slices.IndexFunc(a.readers, func(r *reader) bool { return r.next-cursorReach <= from && from <= r.next+cursorReach })
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

// readAhead starts cursors for what a reader will need next.
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

// nextAhead returns a busy cursor at the place from which a reader will need plain bytes next, and up to where, or nil.
func (z *ReaderAt) nextAhead(r *reader) (*cursor, int64) {
	reach := r.run / aheadShare
	if r.run >= aheadFrom {
		reach = max(reach, aheadSoon)
	}
	reach = min(reach, int64(z.ahead.workers)*aheadOfWorker, z.cache.pieces.Budget()/2)
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
		if z.cache.get(start.Out) != nil {
			continue
		}
		c := z.cursorAt(start)
		if c == nil {
			return nil, 0
		}
		c.busy, c.far, c.to = true, true, end
		return c, end
	}
	return nil, 0
}

// cursorAt returns an idle cursor that stands at a checkpoint, or nil if none can be had.
func (z *ReaderAt) cursorAt(point Checkpoint) *cursor {
	for _, c := range z.cursors {
		if !c.busy && c.from == point.Out {
			return c
		}
	}
	c := z.spare()
	if c == nil || z.start(c, point) != nil {
		return nil // whoever needs the bytes meets the error
	}
	return c
}

// decodeAhead decodes up to end, or until z is closed.
func (z *ReaderAt) decodeAhead(c *cursor, end int64) {
	defer z.moved.Broadcast()
	for z.ahead.workers > 0 && c.from < end {
		p, err := z.extentAt(c.from)
		whole := err == nil && !p.open && p.off == c.from // or else the checkpoints are out of order
		if whole {
			whole, err = z.advance(c, p)
		}
		if err != nil || !whole {
			z.remove(c) // whoever needs the bytes meets the error
			return
		}
	}
	c.busy, c.far = false, false
	z.remove(c)
	z.cursors = append(z.cursors, c)
}
