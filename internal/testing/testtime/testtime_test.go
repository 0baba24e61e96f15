package testtime

import (
	"testing"
	"testing/synctest"
	"time"
)

// until is a Deadliner whose deadline is that far away.
type until time.Duration

func (u until) Deadline() (time.Time, bool) { return time.Now().Add(time.Duration(u)), u != 0 }

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ left, least, want time.Duration }{
			{10 * time.Minute, time.Second, 75 * time.Second},
			{10 * time.Minute, 2 * time.Minute, 2 * time.Minute},
			{-time.Minute, time.Second, time.Second}, // the deadline is over
			{0, time.Second, time.Hour},              // there is none
		} {
			if got := Limit(until(tt.left), tt.least); got != tt.want {
				t.Errorf("Limit, %v before the deadline, at least %v: %v, want %v", tt.left, tt.least, got, tt.want)
			}
		}
	})
}

func TestEventually(t *testing.T) {
	calls := 0
	Eventually(t, "the tenth call", func() bool { calls++; return calls == 10 })
	if calls != 10 {
		t.Errorf("%d calls", calls)
	}
}

func TestReceive(t *testing.T) {
	c := make(chan int, 1)
	c <- 7
	if got := Receive(t, c, "a number"); got != 7 {
		t.Errorf("received %d", got)
	}
	close(c)
	if got := Receive(t, c, "the end"); got != 0 {
		t.Errorf("received %d from a closed channel", got)
	}
}
