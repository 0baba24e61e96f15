package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/ui"
)

// checkScratch returns an error for a scratch directory in which other users can do anything. A process in the user
// namespace of a run does not know users; the first process has checked it.
func (o *runFlags) checkScratch(private bool) error {
	if o.scratch == "" || private {
		return nil
	}
	switch err := mounts.CheckPlace(o.scratch); {
	case errors.Is(err, mounts.ErrNoDir):
		return nil // holdScratch makes it
	case errors.Is(err, mounts.ErrOpen):
		return ui.WithHint(ui.Usagef("--scratch %s: %w", o.scratch, err), "name one of your own: mkdir -m 700 DIR")
	default:
		return err
	}
}

// holdScratch locks the scratch directory against other runs until release is called, and removes what killed runs have
// left.
func (o *runFlags) holdScratch(ctx context.Context, u *ui.UI) (release func(), err error) {
	if err := os.MkdirAll(o.scratch, 0o700); err != nil {
		return nil, ui.Usagef("--scratch: %w", err)
	}
	alone := !mounts.IsTempDir(o.scratch)
	release, err = mounts.Hold(ctx, o.scratch)
	switch {
	case errors.Is(err, mounts.ErrNoLock):
		u.Warn("--scratch %s: %v", o.scratch, err)
		alone = false
	case err != nil:
		return nil, fmt.Errorf("--scratch %s: %w", o.scratch, err)
	}
	mounts.Sweep(o.scratch, alone, func(err error) { u.Detail("%v", err) })
	return release, nil
}
