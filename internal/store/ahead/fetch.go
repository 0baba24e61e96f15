package ahead

import (
	"context"
	"time"
)

// fetch starts to fetch [off, end), which must be in no part. It reports false if there is no memory for it.
func (o *Object) fetch(f *flow, off, end int64) bool {
	if o.digest != "" {
		off, end = o.align(off, end)
	}
	memory := o.c.buffer(int(end - off))
	if memory == nil {
		return false
	}
	p := &part{o: o, off: off, data: memory, memory: memory, flow: f, pins: 1}
	o.insert(p)
	if f != nil {
		f.flying++
	}
	o.pace.start(f, time.Now())
	o.running.Go(func() { o.fill(p) })
	return true
}

// align extends a range, which is in no part, to whole granules, so that a disk can keep all of it.
func (o *Object) align(off, end int64) (from, to int64) {
	from, to = off-off%granule, min((end+granule-1)/granule*granule, o.size)
	i := o.search(off) // the part after it
	if i > 0 {
		from = max(from, o.parts[i-1].end())
	}
	if i < len(o.parts) {
		to = min(to, o.parts[i].off)
	}
	return from, to
}

// fill gets the bytes of a part.
func (o *Object) fill(p *part) {
	ranges := []extent{{0, len(p.data)}}
	if o.digest != "" {
		ranges = absent(o.c.disk.read(o.digest, p.data, p.off, o.size), p.off, len(p.data))
	}
	n, took, err := o.load(p, ranges)
	data := p.data
	o.c.mu.Lock()
	if err != nil && context.Cause(o.ctx) != nil {
		err = context.Cause(o.ctx)
	}
	if err == nil {
		p.advance(len(p.data))
	}
	now := time.Now()
	o.pace.finish(now, n, took, err == nil)
	p.finish(err)
	if f := p.flow; f != nil {
		f.flying--
		if err != nil {
			f.doubt() // the next read of these bytes tries again
		}
		o.extend(f, now)
	}
	if o.digest != "" && err == nil {
		o.c.mu.Unlock()
		for _, r := range ranges {
			o.c.disk.write(o.digest, data[r.from:r.to], p.off+int64(r.from), o.size)
		}
		o.c.mu.Lock()
	}
	p.unpin()
	o.c.mu.Unlock()
}

// load fetches ranges of a part, whose other bytes are there already. It returns how many bytes it has fetched, and how
// long they took without the waits for the first ones.
func (o *Object) load(p *part, ranges []extent) (n int, took time.Duration, err error) {
	for _, r := range ranges {
		began := time.Now()
		var first time.Time
		last := 0
		got := func(m int) {
			o.c.mu.Lock()
			defer o.c.mu.Unlock()
			if first.IsZero() && m > 0 {
				first = time.Now()
				o.pace.answered(first.Sub(began))
			}
			o.pace.received(m - last)
			last = m
			p.advance(r.from + m)
		}
		if r.from > 0 {
			got(0)
		}
		if err := o.src.Fetch(o.ctx, p.data[r.from:r.to], p.off+int64(r.from), got); err != nil {
			return n, took, err
		}
		got(r.to - r.from)
		n += r.to - r.from
		took += time.Since(first)
	}
	return n, took, nil
}

// extent is a range of the bytes of a part.
type extent struct{ from, to int }

// absent returns which bytes of n at off have to be fetched, if there says which granules are there. Few bytes between two
// ranges are fetched again, because another request would cost more.
func absent(there []bool, off int64, n int) (ranges []extent) {
	for i, ok := range there {
		if ok {
			continue
		}
		at := int((off/granule+int64(i))*granule - off)
		r := extent{max(at, 0), min(at+granule, n)}
		if last := len(ranges) - 1; last >= 0 && r.from-ranges[last].to <= coalesce {
			ranges[last].to = r.to
		} else {
			ranges = append(ranges, r)
		}
	}
	return ranges
}
