package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/ui"
)

// isDead reports whether the server of a mount is gone: it holds the scratch directory as long as it lives. A mount of the
// kernel's overlayfs outlives it, and shows what has been read before, and what was changed.
func isDead(m mounts.Mount) bool { return !scratch.IsLive(m.Source) }

// clearDead detaches mounts of ours at a place whose server is gone. Changes that nobody packed stay in their scratch
// directory, and the user is told where.
func clearDead(u *ui.UI, place string) error {
	for {
		m, mounted, err := mounts.At(place)
		if err != nil || !mounted || !isDead(m) {
			return err
		}
		if err := mounts.Unmount(place, true); err != nil {
			return fmt.Errorf("%s: detach the mount of a server that is gone: %w", place, err)
		}
		scratch, err := scratch.Open(m.Source)
		if err != nil {
			continue // nothing of it is left
		}
		kept, err := removeScratch(scratch)
		if err != nil {
			u.Warn("%s: %v", scratch.Dir, err)
		} else if kept {
			u.Warn("%s: the server of the last mount is gone; its changes are in %s: mount with --scratch to go on with them",
				place, scratch.Dir)
		}
	}
}

// clearStale detaches what an earlier holder of a scratch directory that this process holds has left mounted, wherever that
// is. Nobody must write to the changes through it any more.
func clearStale(u *ui.UI, scratch *scratch.Scratch) error {
	all, err := mounts.List()
	if err != nil {
		return err
	}
	for _, m := range all {
		if !m.Ours {
			continue
		}
		if m.Source != scratch.Dir {
			// The scratch may have been renamed since; where it was mounted it still says itself.
			if _, err := os.Lstat(m.Source); !errors.Is(err, os.ErrNotExist) || m.Mountpoint != scratch.Mountpoint() {
				continue
			}
		}
		if err := mounts.Unmount(m.Mountpoint, true); err != nil {
			return fmt.Errorf("%s: detach the mount of a server that is gone: %w", m.Mountpoint, err)
		}
		if m.Mountpoint != scratch.Lower() {
			u.Warn("%s: the server of this mount was gone; it is unmounted", m.Mountpoint)
		}
	}
	return nil
}

// removeScratch removes a temporary scratch directory without a server, unless it holds changes that were not packed.
func removeScratch(s *scratch.Scratch) (kept bool, err error) {
	if !s.Temporary() {
		return false, nil
	}
	unpacked, err := hasUnpacked(s)
	if err != nil || unpacked {
		return true, err
	}
	return false, s.Remove()
}

// hasUnpacked reports whether a scratch directory holds changes that were not packed.
func hasUnpacked(s *scratch.Scratch) (bool, error) {
	changed, err := s.HasChanges()
	if err != nil || !changed {
		return false, err
	}
	o, err := openOverlay(s)
	if err != nil {
		return true, err
	}
	defer o.Close()
	stamp, err := o.Stamp()
	return !s.Packed(stamp), err
}

// openOverlay opens the shard and the changes of a scratch directory.
func openOverlay(s *scratch.Scratch) (*openedOverlay, error) {
	sh, err := s.OpenShard(context.Background())
	if err != nil {
		return nil, err
	}
	o, err := overlay.New(s, sh)
	if err != nil {
		return nil, errors.Join(err, sh.Close())
	}
	return &openedOverlay{o}, nil
}

// openedOverlay is an overlay that owns its shard.
type openedOverlay struct{ *overlay.Overlay }

func (o *openedOverlay) Close() error { return errors.Join(o.Overlay.Close(), o.Shard.Close()) }

// sweep removes temporary directories that killed processes of ours have left in a directory, unless they hold changes. Alone
// says that this process alone makes them there.
func sweep(u *ui.UI, in string, alone bool) {
	dirs, err := fs.Glob(os.DirFS(in), scratch.TempPattern)
	if err != nil {
		return
	}
	for _, dir := range dirs {
		dir = filepath.Join(in, dir)
		if err := scratch.Sweep(dir, alone, detach); err != nil {
			u.Detail("%s: %v", dir, err)
		}
	}
}

// detach unmounts what is mounted in a directory that is to be removed.
func detach(dir string) error {
	return detachMounts(func(m mounts.Mount) bool { return within(m.Mountpoint, dir) })
}

// detachMounts unmounts those of our mounts that which says, even if they are in use.
func detachMounts(which func(mounts.Mount) bool) error {
	all, err := mounts.List()
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Ours && which(m) {
			err = errors.Join(err, mounts.Unmount(m.Mountpoint, true))
		}
	}
	return err
}
