package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A directory appears whole or not at all, and only the leftovers of killed processes are removed.
func TestDir(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	leftover, foreign := ".new"+tempInfix+randomText[:randomLen], ".new"+tempInfix+"notes"
	check(t, errors.Join(
		os.MkdirAll(filepath.Join(dir, leftover, "a/b"), 0o700), os.Mkdir(filepath.Join(dir, foreign), 0o700),
	))
	names := func() (list []string) {
		entries, err := os.ReadDir(dir)
		check(t, err)
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	d, err := CreateDir(path, nil)
	check(t, err)
	if list := names(); len(list) != 2 || list[0] == leftover || list[1] == leftover {
		t.Errorf("when it is begun there are %q, but %q is a leftover", list, leftover)
	}
	if _, err := CreateDir(path, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("a rival: %v, want %v", err, ErrBusy)
	}
	check(t, d.WriteFile("file", []byte("text"), 0o600))
	check(t, d.Commit())
	check(t, d.Abort())
	if text, err := os.ReadFile(filepath.Join(path, "file")); err != nil || string(text) != "text" {
		t.Errorf("it has %q, %v", text, err)
	}

	d, err = CreateDir(path, nil)
	check(t, err)
	if err := d.Commit(); err == nil {
		t.Error("it has replaced a directory that is not empty")
	}
	check(t, os.Remove(filepath.Join(path, "file")))
	d, err = CreateDir(path, nil)
	check(t, err)
	check(t, d.WriteFile("other", nil, 0o600))
	check(t, d.Commit())
	d, err = CreateDir(path, nil)
	check(t, err)
	check(t, d.Abort())
	if list := names(); len(list) != 2 || list[0] != foreign || list[1] != "new" {
		t.Errorf("at the end there are %q", list)
	}
	if _, err := os.Stat(filepath.Join(path, "other")); err != nil {
		t.Error(err)
	}
}
