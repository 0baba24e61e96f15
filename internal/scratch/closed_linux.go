package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A scratch directory holds what the owner's programs will do: changes become samples, and a server writes to files by
// their names. So nobody else may ever have been able to write there: it is new, or belongs to this user and is closed
// to others; what is in it was put there by this user.

// reuse prepares an existing directory, which must be a scratch directory or empty, and closes it to other users.
func reuse(dir string) error {
	f, st, err := openOwn(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if st.Mode&0o777 != 0o700 { // some file systems know only one mode
		if err := f.Chmod(0o700); err != nil {
			return err
		}
	}
	entries, err := f.ReadDir(-1)
	if err == nil && len(entries) > 0 && st.Mode&0o022 != 0 {
		err = fmt.Errorf("%s: %w: other users could write to it", dir, ErrNotScratch)
		return errors.Join(err, unix.Fchmod(int(f.Fd()), st.Mode&0o7777))
	}
	known := false
	for _, e := range entries {
		known = known || e.Name() == LockFile
	}
	if len(entries) > 0 && !known {
		err = fmt.Errorf("%s: %w: it is not empty", dir, ErrNotScratch)
		return errors.Join(err, unix.Fchmod(int(f.Fd()), st.Mode&0o7777))
	}
	return errors.Join(err, checkEntries(dir, int(f.Fd())))
}

// checkEntries returns an error if a file or directory with a name that this package uses is something else, or was
// made by another user.
func checkEntries(dir string, fd int) error {
	for _, entry := range []struct {
		name string
		kind uint32
	}{
		{LockFile, unix.S_IFREG}, {manifestFile, unix.S_IFREG}, {indexFile, unix.S_IFREG}, {logFile, unix.S_IFREG},
		{shardsFile, unix.S_IFREG}, {socketFile, unix.S_IFSOCK},
		{upperDir, unix.S_IFDIR}, {workDir, unix.S_IFDIR}, {lowerDir, unix.S_IFDIR},
	} {
		var st unix.Stat_t
		err := unix.Fstatat(fd, entry.name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.ENOENT {
			continue
		}
		if err == nil && (int(st.Uid) != os.Geteuid() || st.Mode&unix.S_IFMT != entry.kind ||
			entry.kind != unix.S_IFDIR && st.Nlink > 1) {
			err = fmt.Errorf("%w: another user may have made its %s", ErrNotScratch, entry.name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// checkClosed returns an error for a scratch directory to which another user could write.
func checkClosed(dir string) error {
	f, st, err := openOwn(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("%s: %w: other users can write to it", dir, ErrNotScratch)
	}
	return nil
}

// openOwn opens a directory of this user.
func openOwn(dir string) (*os.File, *unix.Stat_t, error) {
	f, err := os.OpenFile(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP):
		return nil, nil, fmt.Errorf("%s: %w: it is not a directory", dir, ErrNotScratch)
	case errors.Is(err, fs.ErrPermission):
		var st unix.Stat_t
		if unix.Lstat(dir, &st) == nil && int(st.Uid) != os.Geteuid() {
			return nil, nil, foreign(dir)
		}
		return nil, nil, err
	case err != nil:
		return nil, nil, err
	}
	st := new(unix.Stat_t)
	if err = unix.Fstat(int(f.Fd()), st); err == nil && int(st.Uid) != os.Geteuid() {
		err = foreign(dir)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, st, nil
}

func foreign(dir string) error {
	return fmt.Errorf("%s: %w: it belongs to another user", dir, ErrNotScratch)
}
