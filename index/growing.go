package index

import (
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

// Growing is an index that one goroutine builds while others look at it. Rows and names are those of the whole index from
// the moment at which they can be seen.
type Growing struct {
	concurrent bool
	whole      atomic.Bool // nothing below changes any more

	mu      sync.RWMutex // guards all below
	b       Builder
	err     error // why the index ends before the shard does
	waiting []*waiter
}

// waiter waits until an index has grown to where found is true.
type waiter struct {
	found func(x *Index) bool
	ok    bool // found was true; set before done is closed
	done  chan struct{}
}

// NewGrowing returns an index without samples, to be built with these options.
func NewGrowing(o BuildOptions) *Growing {
	g := &Growing{concurrent: o.Concurrent}
	g.b.OnSample = o.OnSample
	g.b.begin()
	g.b.addDir(0, "")
	g.b.natural = true
	return g
}

// Index returns the index, which may only be used within Look until Build has returned.
func (g *Growing) Index() *Index { return g.b.x }

// Build is [Build] for an index that others look at. It must be called once. If tolerant, those who look for what comes
// behind the place where the tar is cut or damaged are told that it is not there, and not that error.
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

// add adds an entry and wakes those who have waited for it.
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

// wake ends the waiting of those who have found what they look for, or of all.
func (g *Growing) wake(all bool) {
	g.waiting = slices.DeleteFunc(g.waiting, func(w *waiter) bool {
		w.ok = w.found(g.b.x)
		if w.ok || all {
			close(w.done)
		}
		return w.ok || all
	})
}

// Look calls found with the index as it is now, which does not change until found returns. As long as that is false and
// the index grows, found is called again whenever there are more samples, from whichever goroutine; it must be quick.
// Look returns when found was true, when the index is whole, with the error that ended it early if there was one, or when
// cancel is closed, with cancelled true.
func (g *Growing) Look(cancel <-chan struct{}, found func(x *Index) bool) (cancelled bool, err error) {
	if g.whole.Load() {
		if found(g.b.x) {
			return false, nil
		}
		return false, g.err
	}
	g.mu.RLock()
	ok := found(g.b.x)
	g.mu.RUnlock()
	if ok {
		return false, nil
	}
	g.mu.Lock()
	if ok := found(g.b.x); ok || g.whole.Load() {
		defer g.mu.Unlock()
		if ok {
			return false, nil
		}
		return false, g.err
	}
	w := &waiter{found: found, done: make(chan struct{})}
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()
	select {
	case <-w.done:
		if !w.ok {
			return false, g.err
		}
	case <-cancel:
		g.mu.Lock() // found is not called any more
		g.waiting = slices.DeleteFunc(g.waiting, func(other *waiter) bool { return other == w })
		g.mu.Unlock()
		cancelled = !w.ok // else it has been found meanwhile, and what found has taken is the caller's
	}
	return cancelled, nil
}
