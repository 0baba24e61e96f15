package mounts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/store"
)

// ErrUnpacked means that the mount has changes that were not packed.
var ErrUnpacked = errors.New("there are changes that were not packed")

// End unmounts the mount at a place, waits until its server has ended, and removes its scratch directory if that is
// temporary. Unless discard is set, it returns ErrUnpacked if a temporary scratch directory has changes that were not
// packed. If the mount is in use, the error is EBUSY and names the processes.
func End(ctx context.Context, st store.Store, place string, discard bool) error {
	place, err := Absolute(place)
	if err != nil {
		return err
	}
	m, mounted, err := At(place)
	if err != nil {
		return err
	}
	if !mounted {
		return ErrNotMounted
	}
	s, err := scratch.Open(m.Source)
	if errors.Is(err, os.ErrNotExist) {
		return Unmount(place, true) // its server is gone, and the scratch directory was swept
	}
	if err != nil {
		return err
	}
	gone := serverGone(m)
	if s.Mountpoint() != place { // a second place of the mount, as by mount --bind
		return Unmount(place, gone)
	}
	temporary := s.Kind() != scratch.Kept
	if temporary && !discard {
		if err := flush(m); err != nil {
			return err
		}
		unpacked, err := hasUnpacked(ctx, st, s)
		if err != nil {
			return err
		}
		if unpacked {
			return ErrUnpacked
		}
	}
	if err := Unmount(place, gone); errors.Is(err, unix.EBUSY) {
		if by := mountUsers(place); by != "" {
			return fmt.Errorf("%w: process %s", err, by)
		}
		return err
	} else if err != nil {
		return err
	}
	if err := awaitServer(ctx, s); err != nil {
		return err
	}
	if temporary {
		return s.Remove()
	}
	return nil
}

// awaitServer returns when no process holds a scratch directory any more.
func awaitServer(ctx context.Context, s *scratch.Scratch) error {
	p := retry.Policy{Limit: 10 * time.Second, Most: 10 * time.Millisecond}
	return retry.While(ctx, p, retry.Is(scratch.ErrInUse), func() error {
		if s.InUse() {
			return fmt.Errorf("%s: %w: unmounted, but its server has not ended", s.Dir, scratch.ErrInUse)
		}
		return nil
	})
}
