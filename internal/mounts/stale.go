package mounts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/store"
)

// serverGone reports whether a mount needs a server that is gone. A server holds the scratch directory as long as it
// lives. Its mount outlives it: one of FUSE answers with errors, and one of overlayfs shows what was read before and
// what was changed. A mount that the kernel serves alone needs none.
func serverGone(m Mount) bool {
	if scratch.IsLive(m.Source) {
		return false
	}
	s, err := scratch.Open(m.Source)
	return err != nil || !s.ServedByKernel()
}

// Leftover is a scratch directory that stays although its mount is gone.
type Leftover struct {
	Dir string
	Err error // why it could not be removed; nil: it holds changes that were not packed
}

// ClearStale detaches our mounts at a place whose server is gone, and removes their temporary scratch directories. It
// returns those that stay.
func ClearStale(ctx context.Context, st store.Store, place string) (left []Leftover, err error) {
	for {
		m, mounted, err := At(place)
		if err != nil || !mounted || !serverGone(m) {
			return left, err
		}
		if err := detachStale(m); err != nil {
			return left, err
		}
		s, err := scratch.Open(m.Source)
		if err != nil {
			continue // nothing of it is left
		}
		if kept, err := RemovePacked(ctx, st, s); err != nil || kept {
			left = append(left, Leftover{s.Dir, err})
		}
	}
}

func detachStale(m Mount) error {
	if err := Unmount(m.Mountpoint, true); err != nil {
		return fmt.Errorf("%s: detach the mount of a server that is gone: %w", m.Mountpoint, err)
	}
	return nil
}

// ClearOthers detaches what earlier holders of a scratch directory have left mounted, at any place: nothing must
// write to the changes through such a mount any more. The caller holds the scratch directory. A mount that the kernel
// still serves without its holder is not detached; then the error is scratch.ErrInUse. It returns the places that the
// user could have seen.
func ClearOthers(s *scratch.Scratch) (places []string, err error) {
	all, err := List()
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if !m.Ours {
			continue
		}
		if m.Source != s.Dir {
			// The scratch directory may have been renamed since. Its manifest still says where it was mounted.
			if _, err := os.Lstat(m.Source); !errors.Is(err, fs.ErrNotExist) || m.Mountpoint != s.Mountpoint() {
				continue
			}
		}
		if s.ServedByKernel() {
			return places, fmt.Errorf("%s: %w: it is mounted at %s", s.Dir, scratch.ErrInUse, m.Mountpoint)
		}
		if err := detachStale(m); err != nil {
			return places, err
		}
		if m.Mountpoint != s.Lower() {
			places = append(places, m.Mountpoint)
		}
	}
	return places, nil
}

// RemovePacked removes a scratch directory that no process holds, unless it is the user's own or has changes that
// were not packed. Kept says that it has such changes, or that they could not be looked at.
func RemovePacked(ctx context.Context, st store.Store, s *scratch.Scratch) (kept bool, err error) {
	if s.Kind() == scratch.Kept {
		return false, nil
	}
	unpacked, err := hasUnpacked(ctx, st, s)
	if err != nil || unpacked {
		return true, err
	}
	return false, s.Remove()
}

// hasUnpacked reports whether a scratch directory has changes that were not packed.
func hasUnpacked(ctx context.Context, st store.Store, s *scratch.Scratch) (bool, error) {
	changed, err := s.HasChanges()
	if err != nil || !changed {
		return false, err
	}
	c, err := OpenChanges(ctx, st, s)
	if err != nil {
		return true, err
	}
	defer c.Close()
	stamp, err := c.Stamp()
	return !s.Packed(stamp), err
}

// Sweep removes the temporary scratch directories in a directory that killed processes have left, except those with
// changes of a mount. Alone says that this process is the only one that makes any there. Report, if not nil, is
// called for each that cannot be removed.
func Sweep(in string, alone bool, report func(error)) {
	dirs, err := fs.Glob(os.DirFS(in), scratch.TempPattern)
	if err != nil {
		return
	}
	for _, dir := range dirs {
		dir = filepath.Join(in, dir)
		err := scratch.Sweep(dir, alone, detachUnheld)
		if err != nil && !errors.Is(err, scratch.ErrInUse) && report != nil {
			report(fmt.Errorf("%s: %w", dir, err))
		}
	}
}

// detachUnheld unmounts our mounts in a scratch directory that no process holds, unless the kernel serves its mount.
func detachUnheld(dir string) error {
	if s, err := scratch.Open(dir); err == nil && s.ServedByKernel() {
		if m, mounted, err := At(s.Mountpoint()); err != nil || mounted && m.Source == dir {
			return errors.Join(err, scratch.ErrInUse)
		}
	}
	return DetachIn(dir)
}

// DetachIn unmounts our mounts in a directory that is about to be removed, also those in use.
func DetachIn(dir string) error {
	return detach(func(m Mount) bool { return Within(m.Mountpoint, dir) })
}

// DetachAll unmounts our mounts with a scratch directory, at any place and also those in use.
func DetachAll(scratchDir string) error {
	return detach(func(m Mount) bool { return m.Source == scratchDir })
}

func detach(which func(Mount) bool) error {
	all, err := List()
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Ours && which(m) {
			err = errors.Join(err, Unmount(m.Mountpoint, true))
		}
	}
	return err
}
