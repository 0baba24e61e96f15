package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/ui"
)

// holdScratch keeps other runs out of the scratch directory until release is called, and removes what killed runs have left.
func (o *runOptions) holdScratch(ctx context.Context, u *ui.UI) (release func(), err error) {
	dir, err := os.OpenFile(o.scratch, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, ui.Usagef("--scratch %s: no such directory", o.scratch)
	}
	if err != nil {
		return nil, fmt.Errorf("--scratch: %w", err)
	}
	alone := filepath.Clean(o.scratch) != filepath.Clean(os.TempDir()) // where mounts make theirs
	switch err := patiently(ctx, unix.EWOULDBLOCK, func() error { return unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) }); {
	case err == unix.EWOULDBLOCK:
		dir.Close()
		return nil, fmt.Errorf("--scratch %s: %w by another run", o.scratch, scratch.ErrInUse)
	case err != nil: // as NFS says of a directory
		u.Warn("--scratch %s: no lock keeps other runs out: %v", o.scratch, err)
		alone = false
	}
	sweep(u, o.scratch, alone)
	return func() { dir.Close() }, nil
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
