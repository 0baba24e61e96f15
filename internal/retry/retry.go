// Package retry calls a function again while its error is one that passes by itself.
//
// A busy lock, a process that is about to end and a server that asks for patience are waited for in the same way: with
// pauses that grow, within a limit, and no longer than the context lives.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Policy says how patient While is.
type Policy struct {
	Limit time.Duration // no try begins later than this after the first; 0 means that only the context ends it
	First time.Duration // the pause after the first try, doubled after each further one; 0 means 1 ms
	Most  time.Duration // the longest pause; 0 means 50 ms
}

// While calls f until it returns nil or an error that is not busy, and returns that. When the policy allows no further
// try it returns the last error; when ctx ends during a pause, the cause of that. f is called at least once. Pauses
// vary by up to a half at random, so that processes that wait for the same thing do not keep meeting.
func While(ctx context.Context, p Policy, busy func(error) bool, f func() error) error {
	pause, most := p.First, p.Most
	if pause <= 0 {
		pause = time.Millisecond
	}
	if most <= 0 {
		most = 50 * time.Millisecond
	}
	var timer *time.Timer
	start := time.Now()
	for {
		err := f()
		if err == nil || !busy(err) {
			return err
		}
		pause = min(pause, most)
		wait := pause - rand.N(pause/2+1)
		if p.Limit > 0 && time.Since(start)+wait > p.Limit {
			return err
		}
		pause *= 2
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Is returns a function that reports whether an error is one of those given; see [errors.Is].
func Is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}
