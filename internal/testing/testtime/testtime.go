// Package testtime says how long a test waits for an event.
//
// A limit in a test is there to end a wait for what never comes, not to measure: a loaded machine may take a hundred
// times as long as an idle one. So each limit is a share of the time that the test binary has left (go test
// -timeout), and never less than what the test itself asks for. A test never sleeps to give something time; it waits
// for an event by Receive or, where there is nothing to wait on, polls by Eventually.
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

// Polls are this far apart: at first the least, then twice as long each time up to the most.
const (
	leastPause = time.Millisecond
	mostPause  = 50 * time.Millisecond
)

// A Deadliner knows when the test binary is going to be stopped. A *testing.T is one, as is the T of a testscript.Env.
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

// Eventually waits until cond holds, and fails the test at once if it does not within Limit. It polls: cond is called
// by the test's own goroutine, first without a pause. The test fails with what was waited for, a phrase such as "the
// mount to go".
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

// Receive returns the next value of a channel, or the zero value if it is closed, and fails the test at once if
// neither happens within Limit. What was waited for is a phrase such as "the server to end".
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
