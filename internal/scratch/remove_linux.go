package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// A command may remove the permissions of its files, so that even their owner has no access. The files still belong to
// the sample and to this user, so the functions below restore the permissions: modes of files are not packed, and a
// directory that cannot be read cannot be removed.

// Grant gives the owner of a file permission to read it, and the owner of a directory all permissions. It does not
// change other kinds of files. It returns no error, because the operation that needs the permission will.
func Grant(root *os.Root, name string) {
	info, err := root.Lstat(name)
	if err != nil {
		return
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

// GrantAll is Grant for a file or directory and everything below it.
func GrantAll(root *os.Root, name string) {
	Grant(root, name)
	if info, err := root.Lstat(name); err != nil || !info.IsDir() {
		return
	}
	dir, err := root.Open(name)
	if err != nil {
		return
	}
	names, _ := dir.Readdirnames(-1)
	dir.Close()
	for _, child := range names {
		GrantAll(root, path.Join(name, child))
	}
}

// RemoveAll removes a directory and everything in it, even if its owner has no permissions.
func RemoveAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root, rootErr := os.OpenRoot(dir)
	if rootErr != nil {
		return err
	}
	defer root.Close()
	GrantAll(root, ".")
	return os.RemoveAll(dir)
}

// removeScratch removes a scratch directory. It removes the manifest last, so that Sweep recognizes the rest if this
// process is killed.
func removeScratch(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if name := e.Name(); name != manifestFile && name != LockFile {
			err = errors.Join(err, RemoveAll(filepath.Join(dir, name)))
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return RemoveAll(dir)
}
