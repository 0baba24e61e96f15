// Package testtime limits how long tests wait for events.
//
// A limit in a test only ends a wait for an event that never comes; it does not measure: a loaded machine may take a
// hundred times as long as an idle one. So each limit is a share of the time that the test binary has left (go test
// -timeout), but at least the duration that the test asks for. A test never sleeps to give something time; it waits for
// an event with Receive or, if there is no event to wait for, polls with Eventually.
//
// Only tests import this package.
package testtime

import (
	"testing"
	"time"
)

// share is the part of the remaining time that one wait may take: with go test's own 10 minutes, 75 seconds.
const share = 8

// atLeast is the shortest limit of Eventually and Receive.
const atLeast = 20 * time.Second

// The pause between polls: at first the least, then twice as long each time, up to the most.
const (
	leastPause = time.Millisecond
	mostPause  = 50 * time.Millisecond
)

// A Deadliner knows when the test binary will be stopped. A *testing.T is one, and so is the T of a testscript.Env.
type Deadliner interface {
	Deadline() (deadline time.Time, ok bool)
}

// Limit returns how long a test may wait for an event: an eighth of the time until the deadline of t, but at least d.
// With -timeout 0 there is no deadline, and the limit is an hour.
func Limit(t Deadliner, d time.Duration) time.Duration {
	deadline, ok := t.Deadline()
	if !ok {
		return max(d, time.Hour)
	}
	return max(d, time.Until(deadline)/share)
}

// Eventually waits until cond returns true, and fails the test at once if it does not within Limit. It polls: the
// test's own goroutine calls cond, first without a pause. The message contains what was waited for, a phrase such as
// "the end of the mount".
func Eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	limit := Limit(t, atLeast)
	start := time.Now()
	for pause := leastPause; !cond(); pause = min(2*pause, mostPause) {
		if time.Since(start) > limit {
			t.Fatalf("waited %v for %s", limit.Round(time.Second), what)
		}
		time.Sleep(pause)
	}
}

// Receive returns the next value of a channel, or the zero value if it is closed, and fails the test at once if neither
// happens within Limit. What was waited for is a phrase such as "the end of the server".
func Receive[V any](t *testing.T, c <-chan V, what string) V {
	t.Helper()
	limit := Limit(t, atLeast)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var v V
	select {
	case v = <-c:
	case <-timer.C:
		t.Fatalf("waited %v for %s", limit.Round(time.Second), what)
	}
	return v
}
