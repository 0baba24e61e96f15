// Package retry calls a function again while its error is temporary.
//
// Waiting for a busy lock, a process that is about to end or an overloaded server works the same way: with growing
// pauses, up to a time limit, and until the context ends.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Policy configures the pauses and the limit of While.
type Policy struct {
	Limit time.Duration // no attempt begins later than this after the first; 0 means no limit
	First time.Duration // pause after the first attempt, doubled after each further one; 0 means 1 ms
	Most  time.Duration // longest pause; 0 means 50 ms
}

// While calls f until it returns nil or an error for which busy returns false, and returns that. When the policy allows
// no further attempt it returns the last error; when ctx ends during a pause, the cause of ctx. f is called at least
// once. Pauses vary at random by up to a half, so that several waiting processes do not always try at the same time.
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

// Is returns a function that reports whether an error is one of the targets; see [errors.Is].
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
