package remote

import (
	"sync/atomic"
	"time"
)

// clock measures how long a server is silent. One goroutine uses it, and others may ask for the silence.
type clock struct {
	since atomic.Int64  // when the silence began, in nanoseconds; 0 while the server is not waited for
	worst time.Duration // longest silence so far
}

func (c *clock) pause() { c.since.Store(0) }

func (c *clock) begin() { c.since.Store(time.Now().UnixNano()) }

// progress notes that the server has said something.
func (c *clock) progress() {
	now := time.Now().UnixNano()
	if was := c.since.Swap(now); was > 0 {
		c.worst = max(c.worst, time.Duration(now-was))
	}
}

// touch notes that the server takes what is sent to it. Another goroutine may call it.
func (c *clock) touch() {
	if was := c.since.Load(); was > 0 {
		c.since.CompareAndSwap(was, time.Now().UnixNano())
	}
}

// silence returns for how long the server has been silent.
func (c *clock) silence() time.Duration {
	was := c.since.Load()
	if was == 0 {
		return 0
	}
	return time.Since(time.Unix(0, was))
}
