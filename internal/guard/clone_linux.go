package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNoClones means that a file cannot be cloned: its file system has no shared blocks, or its directory cannot be written.
var ErrNoClones = errors.New("the file cannot be cloned")

// Clone returns a file without a name that has the bytes that an open file has now, and keeps them when that is changed.
// Both share their blocks, so it takes no space until then, on XFS and Btrfs; elsewhere the error is ErrNoClones. What is
// in memory only is written to disk first. The caller compares the file's version before and after, and a file system may
// open the clone by its path below /proc/self/fd; it needs no guard, as nothing else can open it.
func Clone(fd int) (*os.File, error) {
	name, err := os.Readlink(path(fd))
	if err != nil {
		return nil, err
	}
	// O_EXCL: it cannot be given a name.
	n, err := unix.Open(filepath.Dir(name), unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoClones, os.NewSyscallError("open O_TMPFILE", err))
	}
	f := os.NewFile(uintptr(n), "clone of "+name)
	if err := unix.IoctlFileClone(n, fd); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoClones, os.NewSyscallError("ioctl FICLONE", err)), f.Close())
	}
	return f, nil
}
