package mounts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// End removes what a killed server has left whose mount the guardian has detached: not where there are changes, where a
// process holds the scratch directory, or of another mountpoint.
func TestEndDetached(t *testing.T) {
	sh, err := shard.Open(t.Context(), shardtest.Write(t, "a.txt"), shard.Options{})
	shardtest.Check(t, err)
	defer sh.Close()
	for _, tt := range []struct {
		name  string
		then  func(t *testing.T, s *scratch.Scratch)
		at    string
		stays bool
	}{
		{"left", func(*testing.T, *scratch.Scratch) {}, "mnt", false},
		{"another mountpoint", func(*testing.T, *scratch.Scratch) {}, "other", true},
		{"changed", func(t *testing.T, s *scratch.Scratch) {
			shardtest.Check(t, os.MkdirAll(filepath.Join(s.Upper(), "a"), 0o755))
		}, "mnt", true},
		{"held", func(t *testing.T, s *scratch.Scratch) {
			held, err := scratch.Create(s.Dir)
			shardtest.Check(t, err)
			t.Cleanup(func() { held.Close() })
		}, "mnt", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			temp, err := filepath.EvalSymlinks(t.TempDir())
			shardtest.Check(t, err)
			t.Setenv("TMPDIR", temp)
			place := filepath.Join(temp, "mnt")
			made, err := Make(place)
			shardtest.Check(t, err)
			s, err := scratch.CreateTemp(temp)
			shardtest.Check(t, err)
			s.SetMade(made)
			shardtest.Check(t, s.Bind(sh, place))
			shardtest.Check(t, s.Close())
			tt.then(t, s)
			err = End(context.Background(), filepath.Join(temp, tt.at), true)
			if errors.Is(err, ErrNotMounted) != tt.stays || err != nil && !tt.stays {
				t.Error(err)
			}
			for _, dir := range []string{place, s.Dir} {
				if _, err := os.Lstat(dir); (err == nil) != tt.stays {
					t.Errorf("%s: %v", dir, err)
				}
			}
		})
	}
}
