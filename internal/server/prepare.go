package server

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// ErrMounted means that there is a mount of shardfs at the mountpoint.
var ErrMounted = errors.New("already mounted by shardfs")

// CanMount reports whether this process can mount by FUSE, from a process of its own.
func CanMount() bool {
	if _, err := os.Executable(); err != nil {
		return false // no /proc
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	_, err = exec.LookPath("fusermount3")
	return err == nil || os.Geteuid() == 0 || overlayfs.MayMount()
}

// Prepare checks the options for mistakes of the user, detaches a mount at the mountpoint whose server is gone, makes
// the mountpoint if it is missing, and its name absolute. The caller calls Unprepare if nothing is mounted then.
func Prepare(u *ui.UI, o *Options) error {
	given := o.Mountpoint
	place, err := mounts.Absolute(given)
	if err != nil {
		return err
	}
	left, err := mounts.ClearStale(place)
	for _, l := range left {
		if l.Err != nil {
			u.Warn("%s: %v", l.Dir, l.Err)
		} else {
			u.Warn("%s: the server of the previous mount is gone; its changes are in %s: "+
				"mount with --scratch to use them again", place, l.Dir)
		}
	}
	if err != nil {
		return err
	}
	if _, mounted, err := mounts.At(place); err != nil {
		return err
	} else if mounted {
		return ui.WithHint(ui.Usagef("%s: %w", given, ErrMounted), "shardfs umount "+given)
	}
	entries, err := os.ReadDir(place)
	missing := errors.Is(err, os.ErrNotExist)
	switch {
	case missing:
	case errors.Is(err, unix.ENOTDIR):
		return ui.WithHint(ui.Usagef("%s: the mountpoint is not a directory", given), mountpointLast)
	case err != nil:
		return err
	}
	if err := o.checkHidden(given, place); err != nil {
		return err
	}
	if len(entries) > 0 {
		err := ui.Usagef("%s: the mountpoint is not empty", given)
		return ui.WithHint(err, "name an empty directory, or one that does not exist yet: it is made")
	}
	o.Mountpoint = place
	if missing {
		o.Made, err = makeMountpoint(given, place)
	}
	return err
}

// makeMountpoint makes a mountpoint that is missing. A name that looks like a shard's is more likely a mistake.
func makeMountpoint(given, place string) (made string, err error) {
	if scheme, _ := store.Split(given); scheme != store.FileScheme || codec.TrimSuffix(given) != given {
		return "", ui.WithHint(ui.Usagef("%s: no such mountpoint", given), mountpointLast)
	}
	made, err = mounts.Make(place)
	if errors.Is(err, os.ErrNotExist) {
		err = ui.Usagef("%s: no such mountpoint, and no directory %s to make it in", given, filepath.Dir(given))
		return "", ui.WithHint(err, "mkdir -p "+filepath.Dir(given))
	}
	return made, err
}

// mountpointLast is a hint for names that are no mountpoints.
const mountpointLast = "the directory comes last: shardfs mount SHARD... MOUNTPOINT"

// Unprepare removes the mountpoint that Prepare has made.
func (o *Options) Unprepare() { mounts.Unmake(o.Mountpoint, o.Made) }

// checkHidden returns an error if the mount would hide files that the server needs. Place is the absolute name of the
// mountpoint.
func (o *Options) checkHidden(mountpoint, place string) error {
	if o.Scratch != "" {
		scratch, err := mounts.Absolute(o.Scratch)
		switch {
		case err != nil:
			return err
		case mounts.Within(scratch, place):
			return ui.Usagef("%s: the mountpoint would hide the scratch directory %s", mountpoint, scratch)
		case mounts.Within(place, scratch):
			return ui.Usagef("%s: the mountpoint is in the scratch directory %s", mountpoint, scratch)
		}
	}
	for _, name := range o.Names {
		path, err := store.Path(name)
		if err != nil {
			continue // no local file
		}
		if path, err = mounts.Absolute(path); err != nil {
			return err
		} else if mounts.Within(path, place) {
			return ui.Usagef("%s: the mountpoint would hide the shard %s", mountpoint, path)
		}
	}
	return nil
}
