package overlayfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Lower is a mounted file system.
type Lower interface {
	// Unmount unmounts it. If it is in use, it ends with its last user; if it is not mounted any more, that is no
	// error.
	Unmount() error
	// Wait returns when it has ended.
	Wait()
}

// Stack is an overlayfs mount over a file system that is mounted for it alone.
type Stack struct {
	lower      Lower
	mountpoint string
}

// MountOver mounts a lower file system by a function that is given the directory o.Lower, which must be empty, mounts
// overlayfs over that at a mountpoint, and detaches the lower file system from its directory: overlayfs alone holds it
// then. If anything fails, nothing stays mounted.
func MountOver[L Lower](mountLower func(dir string) (L, error), mountpoint string, o Options) (*Stack, error) {
	lower, err := mountLower(o.Lower)
	if err != nil {
		return nil, err
	}
	s := &Stack{lower, mountpoint}
	if err := Mount(mountpoint, o); err != nil {
		return nil, errors.Join(err, lower.Unmount())
	}
	if err := unix.Unmount(o.Lower, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return nil, errors.Join(err, s.Unmount(), lower.Unmount())
	}
	return s, nil
}

// Unmount unmounts overlayfs: at once if it is not in use, and else lazily, so that it is gone from its mountpoint and
// ends with its last user. The lower file system ends with it. If overlayfs is not mounted any more, that is no error.
func (s *Stack) Unmount() error {
	err := unix.Unmount(s.mountpoint, unix.UMOUNT_NOFOLLOW)
	if err == unix.EBUSY {
		err = unix.Unmount(s.mountpoint, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	if err == unix.EINVAL {
		return nil
	}
	return err
}

// Wait returns when the lower file system has ended, which it does after overlayfs.
func (s *Stack) Wait() { s.lower.Wait() }
