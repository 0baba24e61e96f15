package atomicfile

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// foreignError is an ErrForeign with its own text.
type foreignError struct{ text string }

func (e *foreignError) Error() string { return e.text }
func (e *foreignError) Unwrap() error { return ErrForeign }

// OpenOwnDir opens a directory for files that only this user writes, and creates it if it is missing. Names of its files
// should be relative to it, so that replacing the directory has no effect. The error is ErrForeign if it is a symbolic
// link, is not a directory, or if other users can write to it.
func OpenOwnDir(dir string) (*os.File, error) {
	dir = filepath.Clean(dir) // with a trailing slash the kernel would follow a symbolic link
	mkdirErr := os.MkdirAll(dir, 0o700)
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case err == unix.ENOTDIR || err == unix.ELOOP:
		return nil, &foreignError{dir + " is not a directory"}
	case err != nil && mkdirErr != nil:
		return nil, mkdirErr
	case err != nil:
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	f := os.NewFile(uintptr(fd), dir)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), f.Close())
	}
	if err := CheckWriters(&stat, unix.S_IFDIR, os.Geteuid()); err != nil {
		return nil, errors.Join(&foreignError{dir + " " + err.Error()}, f.Close())
	}
	return f, nil
}

// CheckWriters checks that a file is of the given type and that only these users can write to it.
func CheckWriters(stat *unix.Stat_t, kind uint32, users ...int) error {
	switch {
	case stat.Mode&unix.S_IFMT != kind:
		return errors.New("is not a regular file")
	case !slices.Contains(users, int(stat.Uid)):
		return fmt.Errorf("belongs to user %d", stat.Uid)
	case stat.Mode&0o022 != 0:
		return fmt.Errorf("can be written to by others (mode %04o)", stat.Mode&0o7777)
	}
	return nil
}

// Evict removes the files in a directory that were modified first, of those whose names is accepts, until the rest have at
// most limit bytes. It does not remove keep. It returns how many bytes are left. Files that are open can still be read.
func Evict(dir *os.File, is func(name string) bool, keep string, limit int64) (left int64) {
	type entry struct {
		name string
		size int64
		used int64 // nanoseconds since 1970
	}
	var entries []entry
	fd := int(dir.Fd())
	for name, err := range Names(dir) {
		var stat unix.Stat_t
		if err != nil || !is(name) || unix.Fstatat(fd, name, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil ||
			stat.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		left += stat.Size
		if name != keep {
			entries = append(entries, entry{name, stat.Size, stat.Mtim.Nano()})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.used, b.used), strings.Compare(a.name, b.name))
	})
	for _, e := range entries {
		if left <= limit {
			break
		}
		if err := unix.Unlinkat(fd, e.name, 0); err == nil || err == unix.ENOENT {
			left -= e.size
		}
	}
	return left
}
