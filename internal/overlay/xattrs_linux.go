package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/scratch"
)

// errXattrs means that overlayfs would not understand the changes in a scratch directory here.
var errXattrs = errors.New("changes that overlayfs cannot continue here")

// The prefixes of overlayfs's extended attributes: for root, and in a user namespace.
const (
	trustedPrefix = "trusted.overlay."
	userPrefix    = "user.overlay."
)

// mixedPrefix records that an upper directory has attributes with both prefixes, which overlayfs does not support.
const mixedPrefix = "mixed"

// PrepareUpper prepares the upper directory of a scratch directory, which this process holds, for overlayfs, and
// creates the Lower directory. UserXattr reports whether overlayfs must be mounted with userxattr, because the
// attributes begin with user.overlay. PrepareUpper also makes the manifest durable: without it, files that overlayfs
// makes durable could not be used. It fails if overlayfs cannot continue with the existing changes.
func PrepareUpper(s *scratch.Scratch) (userXattr bool, err error) {
	u, err := openUpper(s)
	if err != nil {
		return false, err
	}
	defer u.close()
	if err := u.prepare(); err != nil {
		return false, fmt.Errorf("%s: %w", s.Dir, err)
	}
	changed, err := s.HasChanges()
	if err != nil {
		return false, err
	}
	if err := recordPrefix(s, u.xattrPrefix); err != nil {
		return false, err
	}
	userXattr = u.xattrPrefix == userPrefix
	// With the user's prefix, overlayfs does not follow redirects.
	if changed && (s.XattrPrefix() == mixedPrefix || userXattr) {
		return false, errXattrs
	}
	if err := os.Mkdir(s.Lower(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	if s.Kind() == scratch.Kept {
		err = s.Sync()
	}
	return userXattr, err
}

// recordPrefix records in the manifest the prefix of attributes that are set from now on.
func recordPrefix(s *scratch.Scratch, prefix string) error {
	changed, err := s.HasChanges()
	if err != nil || s.XattrPrefix() == prefix {
		return err
	}
	if changed && s.XattrPrefix() != "" {
		prefix = mixedPrefix
	}
	return s.SetXattrPrefix(prefix)
}

// prepare prepares the tree for changes: it removes unfinished files of a killed process and finds out with which
// prefix attributes can be set here. It fails if the file system does not support what overlayfs needs.
func (u *upper) prepare() error {
	if err := removeContents(u.work); err != nil {
		return err
	}
	work, err := os.OpenRoot(u.work.Name())
	if err != nil {
		return err
	}
	defer work.Close()
	if err := work.Mkdir("probe", 0o700); err != nil {
		return err
	}
	defer work.RemoveAll("probe")
	probe, err := work.Open("probe")
	if err != nil {
		return err
	}
	defer probe.Close()
	for _, prefix := range []string{trustedPrefix, userPrefix} {
		if err = unix.Fsetxattr(int(probe.Fd()), prefix+"opaque", []byte("y"), 0); err == nil {
			u.xattrPrefix = prefix
			break
		}
	}
	if err != nil {
		return fmt.Errorf("this file system has no extended attributes: %w", err)
	}
	if err := unix.Mknodat(int(probe.Fd()), "whiteout", unix.S_IFCHR, 0); err != nil {
		return fmt.Errorf("this file system has no whiteouts: %w", err)
	}
	if err := unix.Renameat2(int(probe.Fd()), "whiteout", int(probe.Fd()), "other", unix.RENAME_WHITEOUT); err != nil {
		return fmt.Errorf("this file system cannot rename and leave a whiteout: %w", err)
	}
	return nil
}

// xattr returns an attribute of a directory; "" if it is not set.
func (u *upper) xattr(name, attr string) (string, error) {
	fd, err := u.open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	for _, prefix := range []string{trustedPrefix, userPrefix} {
		value := make([]byte, unix.PathMax)
		n, err := unix.Fgetxattr(fd, prefix+attr, value)
		if err == nil {
			return string(value[:n]), nil
		}
		if err != unix.ENODATA && err != unix.ENOTSUP && err != unix.EPERM {
			return "", err
		}
	}
	return "", nil
}

// setXattr sets an attribute of a directory.
func (u *upper) setXattr(name, attr, value string) error {
	fd, err := u.open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsetxattr(fd, u.xattrPrefix+attr, []byte(value), 0)
}

// setTempXattr sets an attribute of a directory in the work directory.
func (u *upper) setTempXattr(temp, attr, value string) error {
	fd, err := unix.Openat(int(u.work.Fd()), temp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsetxattr(fd, u.xattrPrefix+attr, []byte(value), 0)
}

// isOpaque reports whether a directory hides the directory of the shard with its name.
func (u *upper) isOpaque(name string) (bool, error) {
	value, err := u.xattr(name, "opaque")
	return value == "y", err
}

// redirect returns the directory of the shard that a renamed directory is merged with: "/" and its path, or its name in
// the directory that the parent is merged with. It is "" if the directory was not renamed.
func (u *upper) redirect(name string) (string, error) {
	return u.xattr(name, "redirect")
}
