package fusefs

import (
	"context"
	"time"
)

// interrupt is the context of a request. It ends when the process that made the request is interrupted: the kernel
// reports that, and the server closes the channel. It has one word, so converting it to an interface does not allocate.
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

// Value implements [context.Context]: there are no values.
func (interrupt) Value(any) any { return nil }
