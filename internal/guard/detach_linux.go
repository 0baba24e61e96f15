package guard

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
)

// mount says which mount is to be detached.
type mount struct {
	Path   []byte // where it is mounted, at first
	ID     uint64 // its number, which no other mount ever has; 0 means that it is not known yet
	Device string // of its file system, as MAJOR:MINOR
}

// errGone means that a mount is not in this mount namespace any more.
var errGone = errors.New("the mount is gone")

// describe returns the mount that a path leads to.
func describe(path string) (mount, error) {
	var s unix.Statx_t
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
	if err := unix.Statx(unix.AT_FDCWD, path, flags, unix.STATX_MNT_ID_UNIQUE, &s); err != nil {
		return mount{}, &os.PathError{Op: "statx", Path: path, Err: err}
	}
	if s.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return mount{}, errors.New("the kernel does not number mounts") // before Linux 6.8
	}
	device := fmt.Sprintf("%d:%d", s.Dev_major, s.Dev_minor)
	return mount{Path: []byte(path), ID: s.Mnt_id, Device: device}, nil
}

// detach detaches the mount, wherever it was moved.
func (m mount) detach() error {
	all, err := mounts.List()
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Device != m.Device {
			continue
		}
		if found, err := describe(other.Mountpoint); err == nil && found.ID == m.ID {
			return os.NewSyscallError("umount", unix.Unmount(other.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
		}
	}
	return errGone
}
