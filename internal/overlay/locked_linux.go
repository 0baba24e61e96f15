package overlay

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/pack"
)

// A command may close its files to everybody. They are still its sample's, and ours, so we open them again: the mode of a file
// is not packed, and what cannot be removed would be left behind.

// unlock gives their owner the rights to what lies under a path, and to all that is in it.
func unlock(root *os.Root, name string) {
	unlockOne(root, name)
	fs.WalkDir(pack.RootFS(root), name, func(name string, _ fs.DirEntry, err error) error {
		unlockOne(root, name)
		return nil
	})
}

// unlockOne gives the owner of a file the right to read it, and that of a directory all rights. Other things keep theirs.
func unlockOne(root *os.Root, name string) {
	info, err := root.Lstat(name)
	if err != nil {
		return // whoever needs the file will say so
	}
	var needed fs.FileMode
	switch {
	case info.IsDir():
		needed = 0o700
	case info.Mode().IsRegular():
		needed = 0o400
	}
	if mode := info.Mode().Perm(); mode&needed != needed {
		root.Chmod(name, mode|needed)
	}
}

// unlock gives the owner the rights to what lies at a path of the tree, and to the directories on the way.
func (u *upper) unlock(name string) {
	root, err := os.OpenRoot(u.dir.Name())
	if err != nil {
		return
	}
	defer root.Close()
	at := "."
	for part := range strings.SplitSeq(name, "/") {
		at = path.Join(at, part)
		unlockOne(root, at)
	}
}

// isLockedMode reports whether we, who own a file, may not read it, or a directory, not look into it.
func isLockedMode(st *unix.Stat_t) bool {
	needed := uint32(0)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		needed = 0o700
	case unix.S_IFREG:
		needed = 0o400
	}
	return st.Mode&needed != needed && os.Geteuid() != 0
}

// isLocked reports whether the owner of a file in a directory, or in one below, may not read it.
func isLocked(f pack.Folder) bool {
	for _, file := range f.Files {
		if file.Mode.IsRegular() && file.Mode&0o400 == 0 {
			return true
		}
	}
	for _, sub := range f.Folders {
		if isLocked(sub) {
			return true
		}
	}
	return false
}

// removeTree removes a directory of ours and all that is in it.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root, rootErr := os.OpenRoot(dir)
	if rootErr != nil {
		return err
	}
	defer root.Close()
	unlock(root, ".")
	return os.RemoveAll(dir)
}
