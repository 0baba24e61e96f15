package fusefs

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Unmount unmounts the last mount at a mountpoint, by fusermount3 if the system call is not permitted. If the mount is
// in use, lazy detaches it; without lazy the error is EBUSY. The error is EINVAL if nothing is mounted there.
func Unmount(mountpoint string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	arg := "-u"
	if lazy {
		flags |= unix.MNT_DETACH
		arg = "-uz"
	}
	err := unix.Unmount(mountpoint, flags)
	if err != unix.EPERM {
		return err
	}
	out, runErr := exec.Command(fusermount, arg, "--", mountpoint).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case runErr == nil:
		return nil
	case !errors.As(runErr, &exit):
		return fmt.Errorf("%w, and there is no %s", err, fusermount)
	case strings.Contains(string(out), "busy"):
		return unix.EBUSY
	}
	return errors.New(strings.TrimSpace(string(out)))
}

// UnmountOrDetach unmounts the last mount at a mountpoint: at once if it is not in use, else lazily. It is no error if
// nothing is mounted there.
func UnmountOrDetach(mountpoint string) error {
	err := Unmount(mountpoint, false)
	if err == unix.EBUSY {
		err = Unmount(mountpoint, true)
	}
	if err == unix.EINVAL {
		return nil
	}
	return err
}
