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

// Absolute returns a name as an absolute path without symbolic links, as the kernel names mountpoints. The last element
// may not exist, or may be a mount whose server is gone, so that stat fails.
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
