package ahead

import (
	"context"
	"slices"
	"time"
)

// What makes reads a flow, in bytes unless it is said otherwise.
const (
	nearby   = 64 << 10  // a read that is this close after another one continues it
	coalesce = 512 << 10 // a gap up to this is fetched rather than left out
	farthest = 16 << 20  // a skip up to this can be part of a flow
	sureHops = 4         // skips in a row that make a flow
	mostRun  = 512 << 20
)

// How many flows of an object are tracked.
const (
	mostFlows  = 64
	mostUnsure = 32 // of those that were not continued yet
)

// flow is a sequence of reads and announcements, each of which continues an earlier one, and its next parts.
type flow struct {
	start int64 // where it began
	pos   int64 // the end of the furthest read
	until int64 // the end of the furthest read or announcement
	next  int64 // where the next part begins; what comes before was fetched, or skipped

	sure bool  // more reads will come: it was continued
	hops int   // skips since start
	run  int64 // for how many bytes it has gone on: the evidence for fetching ahead
	gap  int64 // mean of the skips

	size   int64 // of the next part
	flying int   // parts in flight
	used   time.Time
}

// follow records a read or announcement of [off, end) and fetches what it makes likely. It returns the flow.
func (o *Object) follow(off, end int64, read bool) *flow {
	now := time.Now()
	f := o.flowOf(off, read)
	if f == nil {
		f = o.addFlow(off)
	}
	if f != o.last {
		i := slices.Index(o.flows, f)
		o.flows = append(slices.Delete(o.flows, i, i+1), f)
	}
	f.used, o.last = now, f
	if end > f.until {
		f.extendTo(off, end, o.pace)
		if f.sure {
			o.c.flows[f] = struct{}{}
		}
	}
	if read {
		f.pos = max(f.pos, end)
	}
	o.extend(f, now)
	if !read {
		o.need(off, end) // the flow may have skipped them
	}
	return f
}

// How long a scan waits for a reader after each of its reads, and how often it looks for it.
const (
	follows = 100 * time.Millisecond
	looks   = 5 * time.Millisecond
)

// yield makes a flow that skips most bytes wait while it is far ahead of another one, which reads what it has fetched: else
// that would be evicted before it is read. The caller holds the lock, which yield releases meanwhile.
func (o *Object) yield(ctx context.Context, f *flow) {
	for f.gap > nearby && ctx.Err() == nil && !o.closed {
		now := time.Now()
		ahead, _ := o.c.share(now)
		if !slices.ContainsFunc(o.flows, func(g *flow) bool {
			return g.sure && g.pos < f.pos-ahead && now.Sub(g.used) < follows && o.partAt(g.pos) != nil
		}) {
			return
		}
		o.c.mu.Unlock()
		select {
		case <-time.After(looks):
		case <-ctx.Done():
		}
		o.c.mu.Lock()
	}
}

// flowOf returns the flow that a read or announcement at off continues, or nil.
func (o *Object) flowOf(off int64, read bool) *flow {
	var best *flow
	for _, f := range o.flows {
		near := int64(nearby)
		switch {
		case f.sure || f == o.last && !read:
			near = f.reach()
		case f == o.last:
			near = farthest // perhaps hops from header to header, which are not announced
		case !read:
			near = 0
		}
		if off < max(f.start, f.pos-farthest) || off-f.until > near {
			continue
		}
		if best == nil || distance(off, f.until) < distance(off, best.until) {
			best = f
		}
	}
	return best
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// reach returns how long a skip of the flow can be. It grows with what was read, because in a small object random reads
// are often close to each other.
func (f *flow) reach() int64 {
	run := max(f.run, 2*f.gap)
	if !f.sure {
		run = f.until - f.start
	}
	return min(max(run, nearby), farthest)
}

// addFlow adds a flow that begins at off, and drops one that was not used for long if there are too many.
func (o *Object) addFlow(off int64) *flow {
	unsure := 0
	for _, f := range o.flows {
		if !f.sure {
			unsure++
		}
	}
	if len(o.flows) == mostFlows || unsure == mostUnsure {
		i := slices.IndexFunc(o.flows, func(f *flow) bool { return !f.sure || unsure == 0 })
		delete(o.c.flows, o.flows[i])
		o.flows = slices.Delete(o.flows, i, i+1)
	}
	f := &flow{start: off, pos: off, until: off, next: off, size: firstPart}
	o.flows = append(o.flows, f)
	return f
}

// extendTo extends a flow by [off, end), where end is after all that was read or announced.
func (f *flow) extendTo(off, end int64, pace *pace) {
	skip := off - f.until
	first := f.until == f.start
	switch {
	case first:
	case skip <= f.reach():
		f.sure = true
	default:
		f.hops++
		f.sure = f.sure || f.hops >= sureHops
		if !f.sure {
			f.start = off
		}
	}
	if skip > nearby {
		f.gap += (skip - f.gap) / 4
	} else {
		f.gap = max(0, f.gap-(end-max(off, f.until)))
	}
	f.run = min(f.run+min(skip, coalesce)+end-off, mostRun)
	if off > f.next {
		f.run /= 2 // what was fetched ahead did not help
		if !f.sure || off-f.next > coalesce || pace.hops(f.gap) {
			f.next, f.size = off, firstPart
		}
	}
	f.until = end
}

// doubt ends a flow until it is continued once more.
func (f *flow) doubt() {
	f.sure, f.run, f.hops, f.size, f.start = false, 0, 0, firstPart, f.until
}

// extend fetches the next parts of a flow: all that it has asked for and, if it is sure, more.
func (o *Object) extend(f *flow, now time.Time) {
	ahead, largest := o.c.share(now)
	ahead = min(ahead, int64(o.pace.width+leastWidth)*largest)
	for !o.closed && f.next < min(o.size, f.pos+ahead) {
		if p := o.partAt(f.next); p != nil {
			f.next = p.end()
			continue
		}
		end, ok := o.nextPart(f, min(f.size, largest))
		if !ok {
			return
		}
		end = o.missing(f.next, end)
		if !o.fetch(f, f.next, end) {
			return
		}
		f.next = end
		if f.sure {
			f.size = min(2*f.size, largest)
		}
	}
}

// rewind lets a flow fetch again from off on, if its furthest read, which is of [off, end), has found bytes evicted.
func (o *Object) rewind(f *flow, off, end int64) {
	if f.sure && off < f.next && end >= f.pos {
		f.next = off
		o.extend(f, time.Now())
	}
}

// nextPart returns where the next part of a flow ends; false if it is not time for one.
func (o *Object) nextPart(f *flow, size int64) (end int64, ok bool) {
	asked := f.next < f.until
	if !f.sure || o.pace.hops(f.gap) {
		return min(f.until, f.next+mostPart), asked && f.flying < mostWidth
	}
	if !asked && (f.next >= f.pos+max(firstPart/2, f.run, 4*f.gap) || !o.pace.more(f)) || f.flying >= mostWidth {
		return 0, false
	}
	if asked {
		size = max(size, min(f.until-f.next, mostPart/2)) // it is wanted for certain
	}
	end = f.next + size
	if size == mostPart {
		end -= end % mostPart
	}
	return min(end, o.size), true
}
