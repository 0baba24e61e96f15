package ahead

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

var errOffset = errors.New("negative offset")

// Info describes an object.
type Info struct {
	Size int64 // bytes

	// Store names what limits the rate of requests, such as a host: objects with the same Store share what is known of it.
	Store string

	// Key names the version of the object, whose bytes a disk may keep for longer than this process lives: nothing else may
	// ever have the same key. "" means that nothing is kept there.
	Key string
}

// Object is one version of a remote object, open for reading. It is safe for concurrent use.
type Object struct {
	c       *Cache
	src     Source
	size    int64
	digest  string // of its key; "" if no disk keeps its bytes
	pace    *pace
	ctx     context.Context // of all fetches; Close cancels it
	cancel  context.CancelCauseFunc
	running sync.WaitGroup // fetches

	// The lock of the cache guards these.
	parts  []*part // by offset
	flows  []*flow // least recently used first
	last   *flow   // of the last read or announcement
	closed bool
}

// Open returns an object with the bytes of src. The caller must close it.
func (c *Cache) Open(src Source, info Info) *Object {
	o := &Object{c: c, src: src, size: info.Size}
	if c.disk != nil && info.Key != "" {
		o.digest = digestOf(info.Key, info.Size)
	}
	o.ctx, o.cancel = context.WithCancelCause(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paces[info.Store] == nil {
		c.paces[info.Store] = &pace{width: leastWidth}
	}
	o.pace = c.paces[info.Store]
	return o
}

// ReadAt reads like [store.ReaderAt]. If ctx ends, it returns at once, and what it waits for is still fetched.
func (o *Object) ReadAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	switch {
	case off < 0:
		return 0, errOffset
	case len(p) == 0:
		return 0, context.Cause(ctx)
	case off >= o.size:
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > o.size-off {
		p, end = p[:o.size-off], io.EOF
	}
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	var f *flow
	if !o.isGlance(off, off+int64(len(p))) {
		f = o.follow(off, off+int64(len(p)), true)
		o.yield(ctx, f)
	}
	for n < len(p) {
		m, err := o.some(ctx, f, p[n:], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, end
}

// some reads at least one byte, up to the end of the part with the byte at off. Flow may be nil. The caller holds the lock.
func (o *Object) some(ctx context.Context, f *flow, b []byte, off int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if o.closed {
		return 0, os.ErrClosed
	}
	p := o.partAt(off)
	if p == nil {
		if f != nil {
			o.rewind(f, off, off+int64(len(b)))
		}
		o.need(off, off+int64(len(b)))
		if p = o.partAt(off); p == nil {
			return o.direct(ctx, b, off)
		}
	}
	b = b[:min(int64(len(b)), p.end()-off)]
	at := int(off - p.off)
	if err := p.wait(ctx, at+len(b)); err != nil {
		return 0, err
	}
	if p.memory == nil { // read by others and evicted meanwhile
		return 0, p.err
	}
	if p.got <= at {
		return 0, p.err
	}
	n := p.copy(b, off)
	if n < len(b) {
		return n, p.err
	}
	return n, nil
}

// need starts to fetch the bytes of [off, end) that are in no part, as far as there is memory.
func (o *Object) need(off, end int64) {
	for n := 0; off < end && n < mostWidth; n++ {
		if p := o.partAt(off); p != nil {
			off = p.end()
			continue
		}
		to := o.missing(off, min(end, off+mostPart))
		if !o.fetch(nil, off, to) {
			return
		}
		off = to
	}
}

// direct fetches bytes into the memory of the reader, up to the next part. The caller holds the lock.
func (o *Object) direct(ctx context.Context, b []byte, off int64) (n int, err error) {
	if i := o.search(off); i < len(o.parts) {
		b = b[:min(int64(len(b)), o.parts[i].off-off)]
	}
	o.running.Add(1)
	o.c.mu.Unlock()
	defer o.c.mu.Lock()
	defer o.running.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(o.ctx, func() { cancel(context.Cause(o.ctx)) })()
	err = o.src.Fetch(ctx, b, off, func(m int) { n = m })
	if err == nil {
		return len(b), nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return n, err
}

// WillRead announces that n bytes at off will be read soon, and starts to fetch them.
func (o *Object) WillRead(off, n int64) {
	if off < 0 || n <= 0 || off >= o.size {
		return
	}
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	if !o.closed {
		o.follow(off, off+min(n, o.size-off), false)
	}
}

// WillGlance is WillRead for bytes after which no others are likely to be read, such as those of what is on a screen. They
// are fetched by as few requests as can be, and reads of them do not have more fetched.
func (o *Object) WillGlance(off, n int64) {
	if off < 0 || n <= 0 || off >= o.size {
		return
	}
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	if o.closed {
		return
	}
	end := off + min(n, o.size-off)
	o.need(off, end)
	for _, p := range o.parts[o.search(off):] {
		if p.off >= end {
			break
		}
		p.glance = true
	}
}

// isGlance reports whether the bytes of [off, end) are there, or on their way, because of WillGlance.
func (o *Object) isGlance(off, end int64) bool {
	for off < end {
		p := o.partAt(off)
		if p == nil || !p.glance {
			return false
		}
		off = p.end()
	}
	return true
}

// Buffer is memory for bytes that are fetched before their object is known. It is within the budget if there is room.
type Buffer struct {
	Bytes  []byte
	c      *Cache
	budget bool // Bytes are of the budget
}

// Buffer returns a buffer of n bytes, which the caller must free.
func (c *Cache) Buffer(n int) *Buffer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.buffer(n); b != nil {
		return &Buffer{b, c, true}
	}
	return &Buffer{Bytes: make([]byte, n)}
}

// Free gives the memory back, unless an object has it.
func (b *Buffer) Free() {
	if b.budget {
		b.c.mu.Lock()
		defer b.c.mu.Unlock()
		b.c.recycle(b.Bytes)
	}
	b.Bytes, b.budget = nil, false
}

// Begin adds the first n bytes of a buffer as the first ones of a new object. If they are most of it, the object takes the
// memory, too.
func (o *Object) Begin(b *Buffer, n int) {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	memory := b.Bytes
	switch {
	case n == 0 || len(o.parts) > 0 || o.closed:
		return
	case b.budget && n > len(memory)/2:
		b.budget = false
	default:
		if memory = o.c.buffer(n); memory == nil {
			return
		}
		copy(memory, b.Bytes)
	}
	p := &part{o: o, data: memory[:n], memory: memory, got: n, done: true}
	o.insert(p)
	o.c.unread.Add(p, p)
}

// BackOff tells that a store, as Info names it, asks for fewer requests.
func (c *Cache) BackOff(store string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.paces[store]; p != nil {
		p.backOff(time.Now())
	}
}

// Close cancels all fetches, waits for their ends and frees the memory of the object. Reads in progress fail.
func (o *Object) Close() error {
	o.c.mu.Lock()
	o.closed = true
	o.c.mu.Unlock()
	o.cancel(os.ErrClosed)
	o.running.Wait()
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	for len(o.parts) > 0 {
		p := o.parts[len(o.parts)-1]
		o.c.unread.Remove(p)
		o.c.read.Remove(p)
		p.leave()
	}
	for _, f := range o.flows {
		delete(o.c.flows, f)
	}
	o.flows, o.last = nil, nil
	return nil
}
