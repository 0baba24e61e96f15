// Package remotetest has what tests of several remote stores have in common.
//
// Only tests import this package.
package remotetest

import (
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store/remote"
)

// Quick returns an engine that waits for nothing long, and tries again within a budget. A request ends after some silence.
func Quick(t testing.TB, budget, silence time.Duration) *remote.Engine {
	e := remote.NewEngine(remote.Options{Budget: budget, FirstBudget: budget, FirstPause: 10 * time.Millisecond,
		MostPause: 50 * time.Millisecond, Pace: time.Millisecond, Stall: silence / 2, Silence: silence})
	t.Cleanup(e.Close)
	return e
}
