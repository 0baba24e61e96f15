package remote

import (
	"context"
	"fmt"
)

// Identifier is an [Upload] to a store that does not always tell the write id with the bytes of an object.
type Identifier interface {
	// WriteID returns the write id of a version of the object, or "" if it has none.
	WriteID(ctx context.Context, v Pin) (string, error)
}

// lookForID is look, with the write id of the version.
func (w *writer) lookForID(ctx context.Context) (*version, error) {
	now, err := w.look(ctx)
	if id, ok := w.up.(Identifier); ok && err == nil && now != nil {
		now.pin.WriteID, err = id.WriteID(ctx, now.pin)
	}
	return now, err
}

// Replacer is an [Upload] to a store in which something of an object is left when it is replaced.
type Replacer interface {
	// Published removes what is left of the object that had the name before. It is called when another one was published.
	Published(ctx context.Context) error
}

// replaced removes what is left of the object that had the name before.
func (w *writer) replaced(ctx context.Context) {
	r, ok := w.up.(Replacer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.e.o.Ending)
	defer cancel()
	if err := r.Published(ctx); err != nil {
		w.e.o.Warn(fmt.Sprintf("something is left of the object that was replaced: %v", err))
	}
}
