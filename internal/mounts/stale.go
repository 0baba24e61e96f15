package mounts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/scratch"
)

// serverGone reports whether a mount needs a server that is gone. A server holds the scratch directory while it runs,
// and its mount may outlive it: a FUSE mount then fails every request, and overlayfs shows only cached and changed
// files. A mount that the kernel serves alone needs no server.
func serverGone(m Mount) bool {
	if s, err := scratchOf(m); err == nil {
		return !s.InUse() && !s.ServedByKernel()
	}
	return !scratch.IsLive(m.Source) && !answers(m)
}

// answers reports whether the server of a mount answers. The kernel must ask it for a name that nobody has asked for.
func answers(m Mount) bool {
	_, err := os.Lstat(filepath.Join(m.Mountpoint, rand.Text()))
	return !errors.Is(err, unix.ENOTCONN) && !errors.Is(err, unix.ECONNABORTED)
}

// Leftover is a scratch directory that was not removed although its mount is gone.
type Leftover struct {
	Dir string
	Err error // why it could not be removed; nil if it holds changes that were not packed
}

// ClearStale detaches the mounts of shardfs at a place whose server is gone, and removes their temporary scratch
// directories. It returns those that it did not remove.
func ClearStale(place string) (left []Leftover, err error) {
	for {
		m, mounted, err := At(place)
		if err != nil || !mounted || !serverGone(m) {
			return left, err
		}
		s, openErr := scratchOf(m)
		if err := detachStale(m); err != nil {
			return left, err
		}
		if errors.Is(openErr, fs.ErrNotExist) {
			continue // already removed
		}
		if openErr != nil {
			return left, openErr
		}
		Unmake(m.Mountpoint, s.Made())
		if kept, err := RemovePacked(s); err != nil || kept {
			left = append(left, Leftover{s.Dir, err})
		}
	}
}

func detachStale(m Mount) error {
	if err := m.detach(); err != nil {
		return fmt.Errorf("%s: detach the mount of a server that is gone: %w", m.Mountpoint, err)
	}
	return nil
}

// ClearOthers detaches the mounts, at any place, that earlier holders of a scratch directory have left, so that no
// process can change the files through them. The caller holds the scratch directory. A mount that the kernel serves
// alone is not detached; the error is then scratch.ErrInUse. ClearOthers returns the mountpoints it has detached,
// without internal ones.
func ClearOthers(s *scratch.Scratch) (places []string, err error) {
	all, err := List()
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if !m.Ours {
			continue
		}
		owner, err := scratchOf(m)
		if err == nil && !sameFile(owner.Dir, s.Dir) || err != nil && m.Device != s.Device() {
			continue
		}
		if s.ServedByKernel() {
			return places, fmt.Errorf("%s: %w: it is mounted at %s", s.Dir, scratch.ErrInUse, m.Mountpoint)
		}
		if err := detachStale(m); err != nil {
			return places, err
		}
		if m.Mountpoint != s.Lower() {
			Unmake(m.Mountpoint, s.Made())
			places = append(places, m.Mountpoint)
		}
	}
	return places, nil
}

// RemovePacked removes a scratch directory that no process holds, unless the user named it or it has changes that were
// not packed. Kept reports whether it has such changes, or they could not be read.
func RemovePacked(s *scratch.Scratch) (kept bool, err error) {
	if !s.Temporary() {
		return false, nil
	}
	unpacked, err := hasUnpacked(s)
	if err != nil || unpacked {
		return true, err
	}
	return false, s.Remove()
}

// hasUnpacked reports whether a scratch directory has changes that were not packed. It does not need the shard, which may
// have been replaced by what was packed.
func hasUnpacked(s *scratch.Scratch) (bool, error) {
	changed, err := s.HasChanges()
	if err != nil || !changed {
		return false, err
	}
	stamp, err := overlay.Stamp(s)
	return !s.Packed(stamp), err
}

// Sweep removes the temporary scratch directories that killed processes have left in a directory, except those with
// changes of a mount. Alone means that no other process makes scratch directories there. Report, if not nil, is called
// for each that cannot be removed; not for directories of other programs, which only have such a name.
func Sweep(in string, alone bool, report func(error)) {
	for _, dir := range temporary(in) {
		err := scratch.Sweep(dir, alone, detachUnheld)
		if err != nil && !errors.Is(err, scratch.ErrInUse) && !errors.Is(err, fs.ErrNotExist) && report != nil {
			report(fmt.Errorf("%s: %w", dir, err))
		}
	}
}

// detachUnheld detaches the mounts of shardfs in a scratch directory that no process holds, unless the kernel serves
// its mount.
func detachUnheld(dir string) error {
	if s, err := scratch.Open(dir); err == nil && s.ServedByKernel() {
		all, err := List()
		if err != nil || len(ofDevice(all, s.Device())) > 0 {
			return errors.Join(err, scratch.ErrInUse)
		}
	}
	return DetachIn(dir)
}

// DetachIn detaches the mounts of shardfs in a directory that is about to be removed, even those in use.
func DetachIn(dir string) error {
	all, err := List()
	if err != nil {
		return err
	}
	return detach(slices.DeleteFunc(all, func(m Mount) bool { return !m.Ours || !Within(m.Mountpoint, dir) }))
}

// DetachOf detaches the mounts of shardfs with a scratch directory, even those in use.
func DetachOf(scratchDir string) error {
	all, err := List()
	if err != nil {
		return err
	}
	return detach(slices.DeleteFunc(all, func(m Mount) bool { return !m.Ours || m.Source != scratchDir }))
}

// Detach detaches the mounts of shardfs that show the file system of a device, at any place, even those in use. Source is
// that with which it was mounted.
func Detach(device, source string) error {
	all, err := List()
	if err != nil {
		return err
	}
	return detach(placesOf(all, Mount{Device: device, Source: source}))
}

func detach(table []Mount) (err error) {
	for _, m := range table {
		err = errors.Join(err, m.detach())
	}
	return err
}

// detach detaches a mount, unless it is gone: the guardian of its shard detaches it, too, if its server was killed.
func (m Mount) detach() error {
	err := Unmount(m.Mountpoint, true)
	if err == nil {
		return nil
	}
	all, listErr := List()
	if listErr == nil && !slices.ContainsFunc(all, func(other Mount) bool { return other.ID == m.ID }) {
		return nil
	}
	return err
}
