package mounts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// Unmake removes only the directory that Make has made, and only if it is empty.
func TestUnmake(t *testing.T) {
	place := filepath.Join(t.TempDir(), "mnt")
	for _, tt := range []struct {
		name  string
		then  func(t *testing.T)
		stays bool
	}{
		{"as it was made", func(*testing.T) {}, false},
		{"not empty", func(t *testing.T) { shardtest.Check(t, os.Mkdir(filepath.Join(place, "mine"), 0o755)) }, true},
		{"another directory", func(t *testing.T) {
			shardtest.Check(t, os.Mkdir(place+"2", 0o755)) // beside it: with another inode
			shardtest.Check(t, os.Remove(place))
			shardtest.Check(t, os.Rename(place+"2", place))
		}, true},
		{"a link", func(t *testing.T) {
			shardtest.Check(t, os.Remove(place))
			shardtest.Check(t, os.Symlink(t.TempDir(), place))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := Make(place)
			shardtest.Check(t, err)
			tt.then(t)
			Unmake(place, made)
			if _, err := os.Lstat(place); (err == nil) != tt.stays {
				t.Errorf("the directory: %v", err)
			}
			shardtest.Check(t, os.RemoveAll(place))
		})
	}
	shardtest.Check(t, os.Mkdir(place, 0o755))
	if Unmake(place, ""); identify(place) == "" {
		t.Error("a directory that was there is removed")
	}
}
