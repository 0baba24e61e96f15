package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/ui"
)

// holdScratch keeps other runs out of the scratch directory until release is called, and removes what killed runs have left.
func (o *runOptions) holdScratch(ctx context.Context, u *ui.UI) (release func(), err error) {
	alone := !mounts.IsTempDir(o.scratch)
	release, err = mounts.Hold(ctx, o.scratch)
	switch {
	case errors.Is(err, mounts.ErrNoDir):
		return nil, ui.Usagef("--scratch %s: %w", o.scratch, err)
	case errors.Is(err, mounts.ErrNoLock):
		u.Warn("--scratch %s: %v", o.scratch, err)
		alone = false
	case err != nil:
		return nil, fmt.Errorf("--scratch %s: %w", o.scratch, err)
	}
	mounts.Sweep(o.scratch, alone, func(err error) { u.Detail("%v", err) })
	return release, nil
}

// patiently calls f again, within reason, while its error is one: a run that was just killed takes a moment to end.
func patiently(ctx context.Context, busy error, f func() error) error {
	const patience, step = 2 * time.Second, 20 * time.Millisecond
	for start := time.Now(); ; time.Sleep(step) {
		if err := f(); !errors.Is(err, busy) || time.Since(start) > patience || ctx.Err() != nil {
			return err
		}
	}
}
