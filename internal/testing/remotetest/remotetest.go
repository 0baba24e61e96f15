// Package remotetest has what tests of several remote stores have in common.
//
// Only tests import this package.
package remotetest

import (
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Quick returns an engine that waits for nothing long, and tries again within a budget. A request ends after some silence.
func Quick(t *testing.T, budget, silence time.Duration) *remote.Engine {
	e := remote.NewEngine(remote.Options{Budget: budget, FirstBudget: budget, FirstPause: 10 * time.Millisecond,
		MostPause: 50 * time.Millisecond, Pace: time.Millisecond, Stall: silence / 2, Silence: silence,
		Ending: testtime.Limit(t, 10*time.Second)})
	t.Cleanup(e.Close)
	return e
}

// Patient is Quick with the limits of testtime: it tries again soon, and does not take a busy server for one that is gone.
func Patient(t *testing.T) *remote.Engine {
	limit := testtime.Limit(t, time.Minute)
	return Quick(t, limit, limit)
}
