package mounts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// A directory of another program that only has such a name stays, and is not told of.
func TestSweepOfOthers(t *testing.T) {
	in := t.TempDir()
	other := filepath.Join(in, "shardfs-bench")
	shardtest.Check(t, os.Mkdir(other, 0o700))
	shardtest.Check(t, os.WriteFile(filepath.Join(other, "results"), nil, 0o600))
	Sweep(in, true, func(err error) { t.Error(err) })
	if _, err := os.Stat(filepath.Join(other, "results")); err != nil {
		t.Error(err)
	}
}
