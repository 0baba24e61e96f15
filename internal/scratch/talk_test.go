package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// The process that holds a scratch directory answers until it closes it, and what a killed one has left does no harm.
func TestListen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	socket := filepath.Join(dir, socketFile)
	for _, stats := range []string{"one", "two"} {
		held := create(t, dir)
		shardtest.Check(t, held.BindMany("/mnt", nil))
		asker, err := Open(dir)
		shardtest.Check(t, err)
		if a, err := asker.Ask(); err == nil {
			t.Errorf("before Listen there is an answer: %+v", a)
		}
		shardtest.Check(t, held.Listen(func() Answer { return Answer{[]byte("s3://k:\xff@b/a.tar"), stats} }))
		for range 3 {
			if a, err := asker.Ask(); err != nil || string(a.Shard) != "s3://k:\xff@b/a.tar" || a.Stats != stats {
				t.Errorf("%+v, %v", a, err)
			}
		}
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v", info, err)
		}
		shardtest.Check(t, os.Link(socket, dir+".left"))
		shardtest.Check(t, held.Close())
		if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Close the socket is there: %v", err)
		}
		if a, err := asker.Ask(); err == nil {
			t.Errorf("after Close there is an answer: %+v", a)
		}
		shardtest.Check(t, os.Rename(dir+".left", socket))
	}
}
