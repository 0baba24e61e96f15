package atomicfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNoLocks means that a file system has no locks, as Lustre without the option flock or NFS without its lock daemon.
var ErrNoLocks = errors.New("the file system has no locks")

// Lock locks a file descriptor with flock(2); how is its operation. It reports whether the file still has a name,
// because the previous holder of the lock may have removed it. The error is EWOULDBLOCK if another process holds the
// lock; every other error wraps ErrNoLocks.
func Lock(fd, how int) (named bool, err error) {
	for {
		if err = unix.Flock(fd, how); err != unix.EINTR {
			break
		}
	}
	switch err {
	case nil:
	case unix.EWOULDBLOCK, unix.EACCES: // SMB says EACCES
		return false, unix.EWOULDBLOCK
	default:
		return false, fmt.Errorf("%w (%w)", ErrNoLocks, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	return st.Nlink > 0, nil
}

// RemoveUnlocked removes a file of this user in a directory if no process has locked it; otherwise it returns ErrBusy.
// It is no error if the file cannot be removed. A file that is not regular or belongs to another user stays, and so
// does every file where there are no locks.
func RemoveUnlocked(dir *os.File, name string) error {
	_, err := removeUnlocked(dir, name, uint32(os.Geteuid()), true)
	if err != ErrBusy {
		return nil
	}
	return err
}

// removeUnlocked is RemoveUnlocked for files of a user, and reports whether the file was removed. If remove is false, it
// only checks whether the file is locked. The error is ErrBusy, or wraps ErrNoLocks.
func removeUnlocked(dir *os.File, name string, user uint32, remove bool) (removed bool, err error) {
	if !isRegular(dir, name) {
		return false, nil // a FIFO or a device is not even opened
	}
	// NFS, where flock(2) is made of locks of bytes, locks a file exclusively only if it is open for writing.
	const flags = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	how := unix.LOCK_EX
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDWR|flags, 0)
	if err != nil {
		how = unix.LOCK_SH
		fd, err = unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|flags, 0)
	}
	if err != nil {
		return false, nil
	}
	defer unix.Close(fd)
	// If another file has the name by now, it stays: only the locked file is removed.
	named, err := Lock(fd, how|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, ErrBusy
	}
	var st unix.Stat_t
	if named && remove && unix.Fstat(fd, &st) == nil && st.Uid == user && st.Mode&unix.S_IFMT == unix.S_IFREG {
		return unix.Unlinkat(int(dir.Fd()), name, 0) == nil, nil
	}
	return false, err
}

// removeLeftovers removes temporary files for the same name that no process is writing, resumable ones only if parts is
// set.
func (f *File) removeLeftovers(parts bool) error {
	for name, err := range temporary(f.dir, f.name) {
		if err != nil {
			return nil // errors are ignored: cleaning up is optional
		}
		if name == f.Name() {
			continue
		}
		if _, err := removeUnlocked(f.dir, name, f.user, parts || !isPart(f.name, name)); err == ErrBusy {
			return err
		}
	}
	return nil
}
