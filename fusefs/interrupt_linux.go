package fusefs

import (
	"context"
	"time"
)

// interrupt is the context of a request, which ends when the kernel says that the process that made it was
// interrupted. The server closes the channel then. It is of one word, so that a request can pass it on without
// allocating.
type interrupt struct{ done <-chan struct{} }

// Deadline implements [context.Context]: there is none.
func (interrupt) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements [context.Context].
func (i interrupt) Done() <-chan struct{} { return i.done }

// Err implements [context.Context].
func (i interrupt) Err() error {
	select {
	case <-i.done:
		return context.Canceled
	default:
		return nil
	}
}

// Value implements [context.Context]: there are none.
func (interrupt) Value(any) any { return nil }
