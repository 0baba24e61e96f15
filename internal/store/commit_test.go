package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A commit goes on for a while after its context has ended, and then ends for the same reason.
func TestCommitting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("a signal")
		ctx, interrupt := context.WithCancelCause(t.Context())
		commit, cancel := Committing(ctx)
		defer cancel()
		time.Sleep(time.Hour)
		interrupt(why)
		time.Sleep(commitGrace - time.Millisecond)
		synctest.Wait()
		if commit.Err() != nil {
			t.Error("it has ended before the grace was over")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if context.Cause(commit) != why {
			t.Errorf("after the grace: %v", context.Cause(commit))
		}
	})
	synctest.Test(t, func(t *testing.T) { // all goroutines end with cancel
		ctx, interrupt := context.WithCancel(t.Context())
		_, cancel := Committing(ctx)
		interrupt()
		cancel()
		_, cancel = Committing(t.Context())
		cancel()
	})
}
