package store

import (
	"context"
	"time"
)

type patienceKey struct{}

// WithPatience returns a context to open an object with that can be done without: a store tries again, and waits for
// answers, for about d where it otherwise may for minutes. That holds for reads of the object, too.
func WithPatience(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, d)
}

// Patience returns how long to try again, or to wait: d, or what WithPatience allows if that is less.
func Patience(ctx context.Context, d time.Duration) time.Duration {
	if least, ok := ctx.Value(patienceKey{}).(time.Duration); ok {
		return min(d, least)
	}
	return d
}
