package store

import (
	"context"
	"time"
)

// commitGrace is how long a commit that has begun may go on after its context has ended. What ends a process mostly waits half
// a minute for it, in which an upload that does not come to its end must be removed, too.
const commitGrace = 5 * time.Second

// Committing returns a context for [Writer].Commit that outlives ctx a little: a commit that is about to end is not given up for
// a signal, and one that hangs is. The caller calls cancel in the end.
func Committing(ctx context.Context) (commit context.Context, cancel func()) {
	commit, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(commitGrace, func() { end(context.Cause(ctx)) })
		context.AfterFunc(commit, func() { late.Stop() })
	})
	return commit, func() {
		stop()
		end(nil)
	}
}
