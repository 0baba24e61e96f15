package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
)

// A directory without samples is not read as a whole; one whose first directories have samples is.
func TestTreeWithoutSamples(t *testing.T) {
	dir := t.TempDir()
	for n := range mostWithout + 10 {
		shardtest.Check(t, os.MkdirAll(filepath.Join(dir, fmt.Sprintf("b/%d", n)), 0o700))
	}
	count := func() (directories int, err error) {
		n, err := Resolve(dir)
		shardtest.Check(t, err)
		src, err := Open(t.Context(), n, Options{UI: &ui.UI{}})
		shardtest.Check(t, err)
		defer src.Close()
		for _, err := range src.Dirs.Dirs() {
			if err != nil {
				return directories, err
			}
			directories++
		}
		return directories, nil
	}
	if n, err := count(); !errors.Is(err, ErrNoSamples) || n != mostWithout {
		t.Errorf("without samples: %v after %d directories, want %v after %d", err, n, ErrNoSamples, mostWithout)
	}
	shardtest.Check(t, os.MkdirAll(filepath.Join(dir, "a/0"), 0o700))
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "a/0/sample.txt"), nil, 0o600))
	if n, err := count(); err != nil || n != mostWithout+14 {
		t.Errorf("with a sample: %v after %d directories", err, n)
	}
}
