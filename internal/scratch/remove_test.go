package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// Files and directories without permissions can still be removed.
func TestRemoveAllWithoutRights(t *testing.T) {
	dir := t.TempDir()
	shardtest.AsUser(t, dir, func() {
		top := filepath.Join(dir, "top")
		shardtest.Check(t, os.MkdirAll(filepath.Join(top, "a", "b\xff"), 0o700))
		shardtest.Check(t, os.WriteFile(filepath.Join(top, "a", "b\xff", "file"), nil, 0o000))
		shardtest.Check(t, os.Chmod(filepath.Join(top, "a", "b\xff"), 0o000))
		shardtest.Check(t, os.Chmod(filepath.Join(top, "a"), 0o400))
		shardtest.Check(t, os.Chmod(top, 0o500))
		if err := os.RemoveAll(top); err == nil {
			t.Fatal("it could be removed anyhow: the test proves nothing")
		}
		shardtest.Check(t, RemoveAll(top))
		if _, err := os.Lstat(top); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after RemoveAll: %v", err)
		}
	})
}

// GrantAll applies to files and directories below, and does not follow links.
func TestGrantAll(t *testing.T) {
	dir := t.TempDir()
	shardtest.AsUser(t, dir, func() {
		in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
		shardtest.Check(t, os.MkdirAll(filepath.Join(in, "sub"), 0o700))
		for _, name := range []string{out, filepath.Join(in, "file"), filepath.Join(in, "sub", "file")} {
			shardtest.Check(t, os.WriteFile(name, nil, 0o000))
		}
		shardtest.Check(t, os.Symlink(out, filepath.Join(in, "link")))
		shardtest.Check(t, os.Symlink("sub", filepath.Join(in, "within")))
		shardtest.Check(t, os.Chmod(filepath.Join(in, "sub"), 0o000))
		root, err := os.OpenRoot(in)
		shardtest.Check(t, err)
		defer root.Close()
		GrantAll(root, ".")
		GrantAll(root, "missing")
		for name, want := range map[string]fs.FileMode{
			"in/file": 0o400, "in/sub": 0o700, "in/sub/file": 0o400, "out": 0,
		} {
			info, err := os.Lstat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, %v, want %v", name, info.Mode(), err, want)
			}
		}
	})
}
