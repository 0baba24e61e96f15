package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/scratch"
)

// upper is a tree of changes in the layout of an overlayfs upper directory: added and changed files are at their paths,
// a character device 0:0 (a whiteout) marks a deleted name, a directory with the attribute opaque hides the directory
// of the shard at its path, and one with the attribute redirect is merged with the directory at that path instead.
//
// Paths are slash-separated and relative to the tree; "" is its root. No symbolic link is ever followed.
type upper struct {
	dir         *os.File // the tree
	work        *os.File // a directory in the same file system, for incomplete files
	xattrPrefix string   // "trusted.overlay." or "user.overlay."; "" before prepare
	temps       atomic.Uint64
	whiteout    string // name of a whiteout in work; "" if none yet
}

// openUpper opens the upper tree of a scratch directory.
func openUpper(s *scratch.Scratch) (*upper, error) {
	u := &upper{}
	var err error
	if u.dir, err = openDir(s.Upper()); err != nil {
		return nil, err
	}
	if u.work, err = openDir(s.Work()); err != nil {
		return nil, errors.Join(err, u.close())
	}
	return u, nil
}

func openDir(name string) (*os.File, error) {
	return os.OpenFile(name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_RDONLY, 0)
}

func (u *upper) close() error {
	var errs []error
	for _, f := range []*os.File{u.dir, u.work} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// open opens the file or directory at a path.
func (u *upper) open(name string, flags int, mode uint32) (int, error) {
	fd, err := u.openOnce(name, flags, mode)
	if err == unix.EACCES {
		u.grant(name)
		fd, err = u.openOnce(name, flags, mode)
	}
	return fd, err
}

func (u *upper) openOnce(name string, flags int, mode uint32) (int, error) {
	dir := int(u.dir.Fd())
	for len(name) >= unix.PathMax { // paths can be too long for a system call
		cut := strings.LastIndexByte(name[:unix.PathMax-1], '/')
		if cut < 0 {
			return -1, unix.ENAMETOOLONG
		}
		next, err := openBeneath(dir, name[:cut], unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return -1, err
		}
		defer unix.Close(next)
		dir, name = next, name[cut+1:]
	}
	return openBeneath(dir, name, flags, mode)
}

// openBeneath opens the file or directory at a path in a directory, and never one outside.
func openBeneath(dir int, name string, flags int, mode uint32) (int, error) {
	if name == "" {
		name = "."
	}
	for {
		fd, err := unix.Openat2(dir, name, &unix.OpenHow{
			Flags:   uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC),
			Mode:    uint64(mode),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		})
		switch err {
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.EXDEV:
			err = unix.ENOENT // a directory of the path has just been moved out of the tree
		}
		return fd, err
	}
}

// at calls f with the directory of a path, opened, and its base name.
func (u *upper) at(name string, f func(dir int, base string) error) error {
	parent, base := path.Split(name)
	if parent == "" {
		return f(int(u.dir.Fd()), base)
	}
	dir, err := u.open(parent, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return f(dir, base)
}

// stat describes the file, directory or link at a path.
func (u *upper) stat(name string) (st unix.Stat_t, err error) {
	err = u.at(name, func(dir int, base string) error {
		if base == "" {
			return unix.Fstat(dir, &st)
		}
		return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

func isDir(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// temp returns a new name in the work directory.
func (u *upper) temp() string {
	return fmt.Sprintf("%d.%d", os.Getpid(), u.temps.Add(1))
}

// hide creates a whiteout at a path. It may replace a file. The caller prevents concurrent calls.
func (u *upper) hide(name string) error {
	return u.at(name, func(dir int, base string) error {
		err := u.linkWhiteout(dir, base)
		if err != unix.EEXIST {
			return err
		}
		work, temp := int(u.work.Fd()), u.temp()
		if err := u.linkWhiteout(work, temp); err != nil {
			return err
		}
		if err = unix.Renameat2(work, temp, dir, base, 0); err != nil {
			remove(work, temp, false)
		}
		return err
	})
}

// linkWhiteout creates a whiteout under a free name. It makes a hard link to an existing whiteout, because making a
// file takes much longer.
func (u *upper) linkWhiteout(dir int, base string) error {
	work := int(u.work.Fd())
	if u.whiteout != "" {
		err := unix.Linkat(work, u.whiteout, dir, base, 0)
		if err != unix.EMLINK {
			return err
		}
	}
	whiteout := u.temp()
	if err := unix.Mknodat(work, whiteout, unix.S_IFCHR, 0); err != nil {
		return err
	}
	u.whiteout = whiteout
	return unix.Linkat(work, whiteout, dir, base, 0)
}

// publish moves a file from its temporary name in the work directory to a path.
func (u *upper) publish(temp, name string, flags uint) error {
	return u.at(name, func(dir int, base string) error {
		return unix.Renameat2(int(u.work.Fd()), temp, dir, base, flags)
	})
}

// discard removes a directory, which may contain whiteouts, atomically: a reader sees all of it or nothing. If whiteout
// is set, a whiteout replaces it.
func (u *upper) discard(name string, whiteout bool) error {
	work, temp := int(u.work.Fd()), u.temp()
	var flags uint
	if whiteout {
		if err := u.linkWhiteout(work, temp); err != nil {
			return err
		}
		flags = unix.RENAME_EXCHANGE
	}
	err := u.at(name, func(dir int, base string) error {
		return unix.Renameat2(dir, base, work, temp, flags)
	})
	if err != nil {
		remove(work, temp, false)
		return err
	}
	if unix.Unlinkat(work, temp, unix.AT_REMOVEDIR) != nil {
		removeAll(u.work, temp) // errors are ignored: it is no longer visible
	}
	return nil
}

// move moves a file or directory of the tree. It may replace a file, an empty directory or a whiteout. If whiteout is
// set, a whiteout replaces it at its old place.
func (u *upper) move(from, to string, dir, whiteout bool) error {
	return u.at(from, func(fromDir int, fromBase string) error {
		return u.at(to, func(toDir int, toBase string) error {
			var flags uint
			if whiteout {
				flags = unix.RENAME_WHITEOUT
			}
			if !dir {
				return unix.Renameat2(fromDir, fromBase, toDir, toBase, flags)
			}
			var st unix.Stat_t
			err := unix.Fstatat(toDir, toBase, &st, unix.AT_SYMLINK_NOFOLLOW)
			if err == unix.ENOENT {
				return unix.Renameat2(fromDir, fromBase, toDir, toBase, flags)
			}
			if err != nil {
				return err
			}
			// The target is an empty directory, which may contain whiteouts here, or free, which may be a whiteout. It
			// is exchanged with the source and then removed. If this process is killed in between, the directory still
			// looks empty at its new place, because it is opaque.
			if isDir(&st) {
				if err := u.setXattr(to, "opaque", "y"); err != nil {
					return err
				}
			}
			if err := unix.Renameat2(fromDir, fromBase, toDir, toBase, unix.RENAME_EXCHANGE); err != nil {
				return err
			}
			switch {
			case isDir(&st):
				return u.discard(from, whiteout)
			case !whiteout:
				return unix.Unlinkat(fromDir, fromBase, 0)
			}
			return nil // a whiteout is at the old place
		})
	})
}

// remove removes a file or an empty directory that is not visible.
func remove(dir int, base string, isDir bool) {
	var flags int
	if isDir {
		flags = unix.AT_REMOVEDIR
	}
	unix.Unlinkat(dir, base, flags)
}

// removeAll removes the file or directory at a path in a directory, if there is one, with everything in it.
func removeAll(dir *os.File, name string) error {
	root, err := os.OpenRoot(dir.Name())
	if err != nil {
		return err
	}
	defer root.Close()
	return root.RemoveAll(name)
}

// entry is an entry of a directory.
type entry struct {
	name string
	stat unix.Stat_t
}

// list returns the entries of a directory of the tree, including whiteouts, sorted by name.
func (u *upper) list(name string) ([]entry, error) {
	entries, err := u.listOnce(name)
	if err == unix.EACCES { // it can be listed, but not entered
		u.grant(name)
		entries, err = u.listOnce(name)
	}
	return entries, err
}

func (u *upper) listOnce(name string) ([]entry, error) {
	fd, err := u.open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	entries := make([]entry, 0, len(names))
	for _, name := range names {
		e := entry{name: name}
		if err := unix.Fstatat(fd, name, &e.stat, unix.AT_SYMLINK_NOFOLLOW); err == unix.ENOENT {
			continue // removed since it was listed
		} else if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// removeContents empties a directory.
func removeContents(dir *os.File) error {
	root, err := os.OpenRoot(dir.Name())
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}
