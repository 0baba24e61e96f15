package mounts

import (
	"path/filepath"
	"strings"
)

// Within reports whether a path is a directory or in it. Both are absolute.
func Within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// Absolute returns a name as an absolute path without links, which is how the kernel names mountpoints. The last
// element may be missing, or a mount whose server is gone, which cannot be looked at.
func Absolute(name string) (string, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		return name, nil
	}
	path := filepath.Join(dir, filepath.Base(name))
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	return path, nil
}
