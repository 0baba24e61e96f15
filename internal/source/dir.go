package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// openDir opens a mountpoint or another directory of sample directories. A mount of many shards is read-only and
// treated as any other directory.
func (s *Source) openDir(ctx context.Context, st store.Store, dir string) error {
	changes, err := mounts.Open(ctx, st, dir)
	if errors.Is(err, mounts.ErrNotMounted) {
		return s.openRoot(dir)
	}
	if err != nil {
		return err
	}
	s.Name = changes.Shard.Name
	s.Changes, s.Dirs, s.Shard, s.close = changes, changes, changes.Shard, changes
	return nil
}

// openRoot opens a directory that is not a mount of one shard.
func (s *Source) openRoot(dir string) error {
	root, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w", dir, os.ErrNotExist)
	case errors.Is(err, unix.ENOTDIR):
		return ui.Usagef("%s: neither a mountpoint nor a directory", dir)
	case err != nil:
		return err
	}
	s.Dirs, s.close = pack.Tree{FS: pack.RootFS(root)}, root
	return nil
}

// changed yields the samples of a mount. Writes to a file that is already mapped need not change its times, so the
// mount is then not marked as packed. A file that is mapped later gets a new time at the first write.
func (s *Source) changed() iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		if by := mounts.WritableMappings(s.Changes.Device); by != "" {
			s.ui.Warn("%s: changes count as not packed, because process %s has mapped a file", s.place, by)
		} else {
			var err error
			if s.stamp, err = s.Changes.Stamp(); err != nil {
				yield(pack.Sample{}, err)
				return
			}
		}
		pack.All(s.namedBase(), s.Dirs)(yield)
	}
}

// inDirs yields the samples of a directory. A directory without samples is an error: most likely it is a mountpoint
// with nothing mounted on it.
func (s *Source) inDirs() iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		none := true
		for sample, err := range pack.All(s.namedBase(), s.Dirs) {
			none = none && sample.Empty()
			if !yield(sample, err) || err != nil {
				return
			}
		}
		if none {
			yield(pack.Sample{}, fmt.Errorf("%s: %w", s.Name, ErrNoSamples))
		}
	}
}
