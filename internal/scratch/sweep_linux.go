package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

// Sweep removes a temporary scratch directory whose process is gone, unless it has changes of a mount. It first calls
// detach, to unmount what is mounted in it. Alone means that no other process can be creating scratch directories
// beside it. It is no error if the directory must not be removed.
func Sweep(dir string, alone bool, detach func(dir string) error) error {
	s, err := Open(dir)
	left := alone || isLeft(dir)
	unfinished := errors.Is(err, fs.ErrNotExist) && left && isUnfinished(dir)
	if err != nil && !unfinished || err == nil && !s.Temporary() {
		return err
	}
	// Without a lock file, a directory in use is just being removed by its process.
	switch err := s.hold(left); {
	case errors.Is(err, ErrInUse):
		return nil
	case err != nil:
		return err
	}
	defer s.Close()
	// A directory without a shard belongs to a run, or to a mount that never became ready.
	if s.manifest.shard != "" || unfinished {
		if changed, err := s.HasChanges(); err != nil || changed {
			return err
		}
	}
	if err := detach(dir); err != nil {
		return err
	}
	return removeScratch(dir)
}

// oldTemp is the temporary name of the manifest in earlier versions.
const oldTemp = manifestFile + ".new"

// isLeft reports whether nothing was created or removed in a directory for so long that no process is creating or removing
// it.
func isLeft(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && time.Since(info.ModTime()) >= time.Minute
}

// isUnfinished reports whether a directory without a manifest was left by a process that was killed while it created or
// removed a temporary scratch directory: it has no other files than a new scratch directory. An empty one is recognized
// by its name and mode, which are those of [os.MkdirTemp]; one with an empty manifest, as after a power cut, by these and
// its lock file.
func isUnfinished(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	if _, err := os.Lstat(filepath.Join(dir, manifestFile)); err == nil {
		_, err := os.Lstat(filepath.Join(dir, LockFile))
		return err == nil && isTempDir(dir, info)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		becomes, _ := atomicfile.FinalName(e.Name())
		if becomes != manifestFile && e.Name() != LockFile && e.Name() != oldTemp {
			return false
		}
	}
	return err == nil && (len(entries) > 0 || isTempDir(dir, info))
}

// isTempDir reports whether a directory has a name and mode as os.MkdirTemp gives.
func isTempDir(dir string, info fs.FileInfo) bool {
	number := strings.TrimPrefix(filepath.Base(dir), strings.TrimSuffix(TempPattern, "*"))
	return len(number) > 4 && strings.Trim(number, "0123456789") == "" && info.Mode().Perm() == 0o700
}
