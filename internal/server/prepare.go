package server

import (
	"context"
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// CanMount reports whether this process can mount by FUSE.
func CanMount() bool {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	_, err = exec.LookPath("fusermount3")
	return err == nil || os.Geteuid() == 0 || overlayfs.MayMount()
}

// Prepare checks the options for mistakes of the user, detaches a mount at the mountpoint whose server is gone, and
// makes the name of the mountpoint absolute.
func Prepare(ctx context.Context, u *ui.UI, st store.Store, o *Options) error {
	given := o.Mountpoint
	place, err := mounts.Absolute(given)
	if err != nil {
		return err
	}
	left, err := mounts.ClearStale(ctx, st, place)
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
		return ui.Usagef("%s: already mounted by shardfs", given)
	}
	entries, err := os.ReadDir(place)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ui.Usagef("%s: no such mountpoint", given)
	case errors.Is(err, unix.ENOTDIR):
		return ui.Usagef("%s: the mountpoint is not a directory", given)
	case err != nil:
		return err
	}
	if err := o.checkHidden(given, place); err != nil {
		return err
	}
	if len(entries) > 0 {
		return ui.Usagef("%s: the mountpoint is not empty", given)
	}
	o.Mountpoint = place
	return nil
}

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
