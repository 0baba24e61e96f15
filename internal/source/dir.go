package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// openDir opens a mountpoint or another directory of sample directories. A mount of many shards is read-only and
// treated as any other directory.
func (s *Source) openDir(ctx context.Context, o Options, dir string) error {
	changes, err := mounts.Open(ctx, o.Shard.Store, dir)
	if errors.Is(err, mounts.ErrNotMounted) {
		return s.openRoot(dir, o.Folder)
	}
	if err != nil {
		return err
	}
	if o.Folder != nil && o.Folder.ClassDirs {
		return errors.Join(ui.Usagef("--class-dirs: %s is a mount, not a folder", dir), changes.Close())
	}
	s.Name = changes.Shard.Name
	s.Changes, s.Dirs, s.Shard, s.close = changes, changes, changes.Shard, changes
	return nil
}

// openRoot opens a directory that is not a mount of one shard.
func (s *Source) openRoot(dir string, o *folder.Options) error {
	opened, err := false, error(nil)
	if o != nil {
		opened, err = s.openFolder(dir, *o)
	}
	if !opened && err == nil {
		var root *os.Root
		if root, err = os.OpenRoot(dir); err == nil {
			s.Dirs, s.close = tree{pack.Tree{FS: pack.RootFS(root)}, dir}, root
		}
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w", dir, os.ErrNotExist)
	case errors.Is(err, unix.ENOTDIR):
		return ui.Usagef("%s: neither a mountpoint nor a directory", dir)
	}
	return err
}

// mostWithout is how many directories are read until one is a sample's. Of sample directories it is one of the first; in
// others, such as /, there may be no end of them.
const mostWithout = 256

// tree is a directory of sample directories. It ends with ErrNoSamples if there is no sample among the first directories.
type tree struct {
	pack.Tree
	name string
}

// Dirs implements [pack.Source].
func (t tree) Dirs() iter.Seq2[pack.Dir, error] {
	return func(yield func(pack.Dir, error) bool) {
		without := 0
		for d, err := range t.Tree.Dirs() {
			if without >= 0 && HasSample(d) {
				without = -1
			}
			if without == mostWithout {
				yield(pack.Dir{}, fmt.Errorf("%s: %w", t.name, ErrNoSamples))
				return
			}
			if !yield(d, err) {
				return
			}
			if without >= 0 {
				without++
			}
		}
	}
}

// HasSample reports whether a file of a directory makes it a sample's.
func HasSample(d pack.Dir) bool {
	return slices.ContainsFunc(d.Files, func(f pack.DirFile) bool {
		_, _, member := index.SplitFile(f.Name)
		return member || f.Name == index.KeyFile
	})
}

// openFolder opens a directory as a folder of files. It returns false if it has sample directories.
func (s *Source) openFolder(dir string, o folder.Options) (opened bool, err error) {
	f, err := folder.Open(dir, o)
	if err != nil {
		return false, err
	}
	if !o.ClassDirs {
		if found, err := f.HasSampleDirs(); err != nil || found {
			return false, errors.Join(err, f.Close())
		}
	}
	s.Folder, s.close = f, f
	return true, nil
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

// orNone yields the samples of a directory, or an error if there are none: most likely the directory is a mountpoint
// with nothing mounted on it.
func (s *Source) orNone(samples iter.Seq2[pack.Sample, error], errNone error) iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		none := true
		for sample, err := range samples {
			none = none && sample.Empty()
			if s.Folder != nil {
				sample.Base = s.namedBase()
				if err != nil {
					err = fmt.Errorf("%s: %w", s.Name, err)
				}
			}
			if !yield(sample, err) || err != nil {
				return
			}
		}
		if none {
			yield(pack.Sample{}, fmt.Errorf("%s: %w", s.Name, errNone))
		}
	}
}
