package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// A command may take away the rights to its files even from their owner. They still belong to its sample and to this
// user, so they are given back: the mode of a file is not packed, and a directory that cannot be read cannot be
// removed.

// Grant gives the owner of a file the right to read it, and the owner of a directory all rights. Anything else stays as
// it is. There is no error: the operation that needs the right returns one.
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

// RemoveAll removes a directory and everything in it, also what its owner has no rights to.
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

// removeScratch removes a scratch directory, its manifest last: if this process is killed meanwhile, Sweep still
// recognizes the rest.
func removeScratch(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if name := e.Name(); name != manifestFile && name != lockFile {
			err = errors.Join(err, RemoveAll(filepath.Join(dir, name)))
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return RemoveAll(dir)
}
