package remote

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// host is what an engine knows of one host. It limits the requests to it: each answer that there are too many halves the
// limit, and each good one raises it by a share of one.
type host struct {
	name     string
	answered atomic.Bool // whether it ever has
	warned   sync.Once   // about versions
	slower   func()      // called when there are too many requests

	mu      sync.Mutex // guards all below
	most    float64
	limit   float64
	used    int
	waiting []chan struct{} // closed when their turn has come
	halved  time.Time
	silence [128]time.Duration // the longest silence of each of the last requests, in a ring
	seen    int
}

func newHost(name string, most int, slower func()) *host {
	return &host{name: name, slower: slower, most: float64(most), limit: float64(most)}
}

// acquire waits until another request may be sent.
func (h *host) acquire(ctx context.Context) error {
	h.mu.Lock()
	if h.used < int(h.limit) && len(h.waiting) == 0 {
		h.used++
		h.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	h.waiting = append(h.waiting, turn)
	h.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	i := slices.Index(h.waiting, turn)
	if i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
	}
	h.mu.Unlock()
	if i < 0 { // its turn came at the same time
		h.release()
	}
	return context.Cause(ctx)
}

// idle reports whether a request could be sent at once.
func (h *host) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.used < int(h.limit) && len(h.waiting) == 0
}

// release ends a request.
func (h *host) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used--
	h.admit()
}

// admit lets requests be sent that wait. The caller holds the mutex.
func (h *host) admit() {
	for h.used < int(h.limit) && len(h.waiting) > 0 {
		h.used++
		close(h.waiting[0])
		h.waiting = h.waiting[1:]
	}
}

// succeeded notes a good answer, and how long the server was silent at most meanwhile.
func (h *host) succeeded(silence time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silence[h.seen%len(h.silence)] = silence
	h.seen++
	h.grow()
}

// accepted notes a good answer to a request that has written something.
func (h *host) accepted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.grow()
}

// grow raises the limit after a good answer. The caller holds the mutex.
func (h *host) grow() {
	h.limit = min(h.most, h.limit+1/h.limit)
	h.admit()
}

// overloaded notes the answer to a request that there are too many. Of requests that were sent at the same time, one
// counts.
func (h *host) overloaded(sent time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if sent.After(h.halved) {
		h.limit = max(1, h.limit/2)
		h.halved = time.Now()
		h.slower()
	}
}

// stall returns the silence after which a second connection is worth trying: four times what all but one in a hundred of
// the last requests have got by with, and at least the given one.
func (h *host) stall(least, most time.Duration) time.Duration {
	h.mu.Lock()
	last := slices.Clone(h.silence[:min(h.seen, len(h.silence))])
	h.mu.Unlock()
	if len(last) == 0 {
		return least
	}
	slices.Sort(last)
	return min(max(least, 4*last[(len(last)-1)*99/100]), most)
}
