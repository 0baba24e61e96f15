package index

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

// Growing is an index that one goroutine builds while others read it. Visible rows and names do not change. All methods
// are safe for concurrent use, but Build must be called only once.
type Growing struct {
	concurrent bool
	whole      atomic.Bool // the fields below do not change any more

	mu      sync.RWMutex // guards all below
	b       Builder
	err     error // why the index ends before the shard does
	waiting []*waiter
}

// waiter waits until found returns true for a growing index.
type waiter struct {
	found func(x *Index) bool
	ok    bool // found has returned true; set before done is closed
	done  chan struct{}
}

// NewGrowing returns an index without samples, which Build will build with these options.
func NewGrowing(o BuildOptions) *Growing {
	g := &Growing{concurrent: o.Concurrent}
	g.b.onSample, g.b.tail = o.OnSample, o.Tail
	g.b.begin()
	g.b.addDir(0, "")
	g.b.natural, g.b.table = true, newTable(g.b.x) // others look directories up meanwhile
	return g
}

// Index returns the index. Until Build has returned, it may be used only inside Wait.
func (g *Growing) Index() *Index { return g.b.x }

// Known returns the complete samples of a growing index, as an index of a tar that ends there, which does not change. It
// must be called inside Wait. It has the rows and the numbers of the growing index, but its directories cannot be
// looked up or listed. It shares memory with the growing index, and takes at most some 20 KB. Of a whole index it
// returns the index itself.
func (x *Index) Known() *Index {
	if x.c.header.n > x.Rows() {
		return x
	}
	k := &Index{c: x.c, closed: x.closed}
	c := &k.c
	c.sample, c.child, c.sibling, c.table = column{}, column{}, column{}, column{} // their values change
	for _, column := range append(c.numbers(), c.far.numbers()...) {
		column.tail = slices.Clone(column.tail) // is used again for the next group
	}
	c.cut(x.closed)
	c.header.append(uint64(x.Offset(x.closed)))
	return k
}

// Build is [Build] for an index that other goroutines read. If the tar is cut or damaged, Wait returns the error of
// Build; if tolerant is set, it does so only if no member was read.
func (g *Growing) Build(r io.Reader, tolerant bool) (*Index, error) {
	s := NewScanner(r)
	end, err := addAll(s, g.add, g.concurrent)
	g.mu.Lock()
	defer g.mu.Unlock()
	x, err := g.b.conclude(s, end, err)
	if !tolerant || x.Rows() == 0 {
		g.err = err
	}
	g.whole.Store(true)
	g.wake(true)
	return x, err
}

// add adds an entry. If that completes a sample, it wakes the waiters whose found returns true.
func (g *Growing) add(e *Entry) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	samples := g.b.x.Samples()
	err := g.b.Add(e)
	if g.b.x.Samples() > samples {
		g.wake(false)
	}
	return err
}

// wake wakes the waiters whose found returns true, or all.
func (g *Growing) wake(all bool) {
	g.waiting = slices.DeleteFunc(g.waiting, func(w *waiter) bool {
		w.ok = w.found(g.b.x)
		if w.ok || all {
			close(w.done)
		}
		return w.ok || all
	})
}

// Wait calls found with the current index, which does not change until found returns. While found returns false and the
// index grows, found is called again, by any goroutine, whenever there are more samples; it must be fast. Wait returns
// nil when found has returned true; when the index is whole, the error that ended it early, if any; and when ctx ends,
// its cause. If found returns true at the same time as another condition, Wait returns nil.
func (g *Growing) Wait(ctx context.Context, found func(x *Index) bool) error {
	if g.whole.Load() {
		if found(g.b.x) {
			return nil
		}
		return g.err
	}
	g.mu.RLock()
	ok := found(g.b.x)
	g.mu.RUnlock()
	if ok {
		return nil
	}
	g.mu.Lock()
	if ok := found(g.b.x); ok || g.whole.Load() {
		defer g.mu.Unlock()
		if ok {
			return nil
		}
		return g.err
	}
	w := &waiter{found: found, done: make(chan struct{})}
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		g.mu.Lock() // found is not called from here on
		g.waiting = slices.DeleteFunc(g.waiting, func(other *waiter) bool { return other == w })
		g.mu.Unlock()
		if !w.ok { // else found has returned true meanwhile
			return context.Cause(ctx)
		}
	}
	if w.ok {
		return nil
	}
	return g.err
}
