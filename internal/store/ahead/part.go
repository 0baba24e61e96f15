package ahead

import (
	"context"
	"sort"
)

// part is a range of an object whose bytes are in memory, or on their way. Parts of an object do not overlap. Its
// fields are guarded by the lock of the cache, but the bytes before got may be read without it while the part is pinned.
type part struct {
	o      *Object
	off    int64
	data   []byte // the bytes from off on
	memory []byte // of which data is the beginning; nil when it was given back
	flow   *flow  // that it was fetched for, or nil
	glance bool   // see WillGlance

	got  int   // how many bytes of data are there
	done bool  // the fetch has ended
	err  error // why it did not get all bytes

	pins int  // users of memory: the fetch, and readers that are copying
	gone bool // no longer in the object; memory is given back by the last user
	read int  // how many bytes were read, or more if some were read twice

	want int           // wake is closed when so many bytes are there
	wake chan struct{} // or nil
}

func (p *part) end() int64 { return p.off + int64(len(p.data)) }

// search returns the first part that ends after off.
func (o *Object) search(off int64) int {
	return sort.Search(len(o.parts), func(i int) bool { return o.parts[i].end() > off })
}

// partAt returns the part with the byte at off, or nil.
func (o *Object) partAt(off int64) *part {
	if i := o.search(off); i < len(o.parts) && o.parts[i].off <= off {
		return o.parts[i]
	}
	return nil
}

// missing returns where bytes from off on, which are in no part, end: at the next part or at end. It evicts small parts
// between them, because another request would cost more than fetching these bytes again.
func (o *Object) missing(off, end int64) int64 {
	for i := o.search(off); i < len(o.parts) && o.parts[i].off < end; {
		p := o.parts[i]
		last := p.end() >= end || i+1 < len(o.parts) && o.parts[i+1].off == p.end()
		if !p.done || p.pins > 0 || len(p.data) > coalesce || last {
			return p.off
		}
		o.c.unread.Remove(p)
		o.c.read.Remove(p)
		p.leave()
	}
	return end
}

// advance records that the first n bytes are there.
func (p *part) advance(n int) {
	p.got = max(p.got, n)
	if p.wake != nil && (p.got >= p.want || p.done) {
		close(p.wake)
		p.wake = nil
	}
}

// finish ends the fetch. What has come before an error is kept.
func (p *part) finish(err error) {
	p.done, p.err = true, err
	p.data = p.data[:p.got]
	p.advance(p.got)
	switch {
	case p.gone:
	case p.got == 0:
		p.leave()
	default:
		p.o.c.unread.Add(p, p)
		p.age()
	}
}

// age moves a part that was read to those that are evicted first.
func (p *part) age() {
	c := p.o.c
	if p.done && p.read >= len(p.data)-len(p.data)/8 {
		if _, ok := c.unread.Remove(p); ok {
			c.read.Add(p, p)
		}
	}
}

// wait waits until the first n bytes are there, the fetch has ended or ctx has. The caller holds the lock, which wait
// releases meanwhile.
func (p *part) wait(ctx context.Context, n int) error {
	for p.got < n && !p.done {
		if p.wake == nil {
			p.wake, p.want = make(chan struct{}), n
		}
		p.want = min(p.want, n)
		wake := p.wake
		p.o.pace.wait(1)
		p.o.c.mu.Unlock()
		var err error
		select {
		case <-wake:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		p.o.c.mu.Lock()
		p.o.pace.wait(-1)
		if err != nil {
			return err
		}
	}
	return nil
}

// copy copies bytes at off that are there. The caller holds the lock, which copy releases meanwhile.
func (p *part) copy(b []byte, off int64) int {
	c := p.o.c
	from := p.data[off-p.off : p.got]
	p.pins++
	c.mu.Unlock()
	n := copy(b, from)
	c.mu.Lock()
	p.read += n
	if !p.gone {
		c.unread.Get(p)
		p.age()
	}
	p.unpin()
	return n
}

func (p *part) unpin() {
	if p.pins--; p.pins == 0 && p.gone {
		p.free()
	}
}

// leave takes a part, which is in neither list of the cache, from its object.
func (p *part) leave() {
	if p.gone {
		return
	}
	o := p.o
	if i := sort.Search(len(o.parts), func(i int) bool { return o.parts[i].off >= p.off }); o.parts[i] == p {
		o.parts = append(o.parts[:i], o.parts[i+1:]...)
	}
	p.gone = true
	if p.pins == 0 {
		p.free()
	}
}

func (p *part) free() {
	memory := p.memory
	p.memory, p.data = nil, nil
	p.o.c.recycle(memory)
}

// insert adds a part to the object.
func (o *Object) insert(p *part) {
	i := o.search(p.off)
	o.parts = append(o.parts, nil)
	copy(o.parts[i+1:], o.parts[i:])
	o.parts[i] = p
}
