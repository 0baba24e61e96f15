package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A file without a name can be written and read, and no other process sees it.
func TestUnnamed(t *testing.T) {
	dir := t.TempDir()
	f, err := Unnamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("text"), 3); err != nil {
		t.Error(err)
	}
	got := make([]byte, 4)
	if _, err := f.ReadAt(got, 3); string(got) != "text" || err != nil {
		t.Errorf("it holds %q, %v", got, err)
	}
	info, err := f.Stat()
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names, err := os.ReadDir(dir); len(names) > 0 || err != nil {
		t.Errorf("the directory holds %v, %v", names, err)
	}
	if _, err := Unnamed(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is missing: %v", err)
	}
}
