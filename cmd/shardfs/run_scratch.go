package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/ramdisk"
	"github.com/shardfs/shardfs/internal/scratch"
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

// openScratch holds the scratch directory that the user has named, or has samples in memory if the user has named none
// and the run is in its own mount namespace. Release must be called after the run.
func (o *runFlags) openScratch(ctx context.Context, g *globals, j *job.Options) (release func(), err error) {
	if o.scratch != "" {
		return o.holdScratch(ctx, g.UI)
	}
	if g.private && os.Getenv("TMPDIR") == "" {
		if disk, unmount := mountMemory(g.UI); disk != nil {
			j.Workspace.Memory = disk
			return unmount, nil
		}
	}
	return func() {}, nil
}

// mountMemory mounts a file system in memory. It returns nil if there is none; else unmount must be called.
func mountMemory(u *ui.UI) (disk *ramdisk.Disk, unmount func()) {
	dir, err := scratch.CreateTemp(os.TempDir())
	if err != nil {
		return nil, nil // the run will say so
	}
	at := filepath.Join(dir.Dir, "memory")
	if err = os.Mkdir(at, 0o700); err == nil {
		disk, err = ramdisk.Mount(at)
	}
	if err != nil {
		u.Detail("samples are on disk, not in memory: %v", errors.Join(err, dir.Remove()))
		return nil, nil
	}
	u.Detail("samples and changes are in memory at %s, up to %d MiB", disk.Dir, disk.Size()>>21)
	return disk, func() {
		if err := errors.Join(disk.Close(), dir.Remove()); err != nil {
			u.Warn("%s: %v", dir.Dir, err)
		}
	}
}
