package mounts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shardfs/shardfs/internal/scratch"
)

// endDetached ends the use of a place at which nothing is mounted any more: the guardian of a shard detaches a mount whose
// server was killed, and removes nothing. It removes the mountpoint, if mount has made it, and the temporary scratch
// directories of such mounts, if they have no changes. The error is ErrNotMounted if there are none.
func endDetached(place string) error {
	place, err := Absolute(place)
	if err != nil {
		return err
	}
	all, err := List()
	if err != nil {
		return err
	}
	err = ErrNotMounted
	for _, dir := range temporary(os.TempDir()) {
		s, openErr := scratch.Open(dir)
		if openErr != nil || s.Mountpoint() != place || s.InUse() || s.ServedByKernel() || !s.Temporary() {
			continue
		}
		if len(placesOf(all, Mount{Device: s.Device(), Source: s.Dir})) > 0 {
			continue // it was moved
		}
		if changed, changesErr := s.HasChanges(); changesErr != nil || changed {
			continue
		}
		Unmake(place, s.Made())
		if err == ErrNotMounted {
			err = nil
		}
		if removeErr := s.Remove(); !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}
	return err
}

// temporary returns the scratch directories in a directory for temporary files, and what else has such a name.
func temporary(in string) []string {
	dirs, err := fs.Glob(os.DirFS(in), scratch.TempPattern)
	if err != nil {
		return nil
	}
	for i, dir := range dirs {
		dirs[i] = filepath.Join(in, dir)
	}
	return dirs
}
