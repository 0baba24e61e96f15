package overlayfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Lower is a mounted file system.
type Lower interface {
	// Unmount unmounts it. If it is in use, it ends with its last user. It is no error if it is not mounted any more.
	Unmount() error
	// Wait returns when the mount has ended.
	Wait()
}

// Stack is an overlayfs mount together with its private lower file system.
type Stack struct {
	lower      Lower
	mountpoint string
}

// MountOver calls mountLower to mount a lower file system at the empty directory o.Lower, mounts overlayfs over it at a
// mountpoint, and detaches the lower file system, so that only overlayfs holds it. After an error nothing is mounted.
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

// Unmount unmounts overlayfs: at once if it is not in use, else lazily, so that it disappears from its mountpoint and
// ends with its last user. The lower file system ends with it. It is no error if overlayfs is not mounted any more.
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
