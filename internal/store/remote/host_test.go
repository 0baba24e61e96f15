package remote

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The limit of requests to a host halves once for all that were refused at a time, and grows again.
func TestHostLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost("h", 8, func() {})
		for range 8 {
			check(t, h.acquire(t.Context()))
		}
		sent := time.Now()
		if h.idle() {
			t.Error("a ninth request may be sent")
		}
		time.Sleep(time.Second)
		for range 8 {
			h.overloaded(sent)
			h.release()
		}
		if h.limit != 4 {
			t.Errorf("the limit is %v, want 4", h.limit)
		}
		for range 10 {
			time.Sleep(time.Second)
			h.overloaded(time.Now())
			time.Sleep(time.Second)
		}
		if h.limit != 1 {
			t.Errorf("the limit is %v, want 1", h.limit)
		}
		for range 200 {
			h.succeeded(0)
		}
		if h.limit != 8 {
			t.Errorf("the limit is %v, want 8", h.limit)
		}
	})
}

// Requests that wait are sent in turn, or end with their contexts.
func TestHostQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost("h", 1, func() {})
		check(t, h.acquire(t.Context()))
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				ctx, cancel := context.WithCancelCause(t.Context())
				if i == 2 {
					cancel(errors.New("interrupted"))
				}
				defer cancel(nil)
				if err := h.acquire(ctx); err != nil {
					if i != 2 || err.Error() != "interrupted" {
						t.Errorf("%d: %v", i, err)
					}
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				h.release()
			})
			synctest.Wait()
		}
		h.release()
		wg.Wait()
		if len(order) != 4 || order[0] != 0 || order[3] != 4 || h.used != 0 {
			t.Errorf("the order is %v, and %d are used", order, h.used)
		}
	})
}

// A second connection is tried later where the server is slow to answer, but one slow answer in a hundred changes nothing.
func TestStall(t *testing.T) {
	h := newHost("h", 1, func() {})
	const least, most = 2 * time.Second, 15 * time.Second
	for range 127 {
		h.succeeded(100 * time.Millisecond)
	}
	h.succeeded(20 * time.Second)
	if got := h.stall(least, most); got != least {
		t.Errorf("quick answers: %v", got)
	}
	for range 128 {
		h.succeeded(time.Second)
	}
	if got := h.stall(least, most); got != 4*time.Second {
		t.Errorf("slow answers: %v", got)
	}
	for range 128 {
		h.succeeded(10 * time.Second)
	}
	if got := h.stall(least, most); got != most {
		t.Errorf("very slow answers: %v", got)
	}
}
