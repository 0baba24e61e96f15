package index

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

// Growing is an index that one goroutine builds while others read it. Rows and names that can be seen do not change any
// more. All methods are safe for concurrent use, but Build is called once.
type Growing struct {
	concurrent bool
	whole      atomic.Bool // nothing below changes any more

	mu      sync.RWMutex // guards all below
	b       Builder
	err     error // why the index ends before the shard
	waiting []*waiter
}

// waiter waits until found is true of an index that grows.
type waiter struct {
	found func(x *Index) bool
	ok    bool // found was true; set before done is closed
	done  chan struct{}
}

// NewGrowing returns an index without samples, to be built with these options.
func NewGrowing(o BuildOptions) *Growing {
	g := &Growing{concurrent: o.Concurrent}
	g.b.onSample = o.OnSample
	g.b.begin()
	g.b.addDir(0, "")
	g.b.natural = true
	return g
}

// Index returns the index. Until Build has returned, it may only be used inside Wait.
func (g *Growing) Index() *Index { return g.b.x }

// Build is [Build] for an index that others read. If tolerant, and the tar is cut or damaged, Wait finds nothing after
// that place; otherwise it returns the error of Build.
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

// add adds an entry and wakes those that waited for it.
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

// wake ends the waiting of those for which found is true, or of all.
func (g *Growing) wake(all bool) {
	g.waiting = slices.DeleteFunc(g.waiting, func(w *waiter) bool {
		w.ok = w.found(g.b.x)
		if w.ok || all {
			close(w.done)
		}
		return w.ok || all
	})
}

// Wait calls found with the index as it is now, which does not change until found returns. As long as found returns
// false and the index grows, found is called again whenever there are more samples, by any goroutine; it must be quick.
// Wait returns nil when found has returned true; when the index is whole, the error that ended it early if there was
// one; and when ctx ends, its cause. Of two at once, found counts.
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
		g.mu.Lock() // from here on, found is not called
		g.waiting = slices.DeleteFunc(g.waiting, func(other *waiter) bool { return other == w })
		g.mu.Unlock()
		if !w.ok { // else found was true meanwhile, and the caller has what it took
			return context.Cause(ctx)
		}
	}
	if w.ok {
		return nil
	}
	return g.err
}
