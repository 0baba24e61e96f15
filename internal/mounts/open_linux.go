package mounts

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/store"
)

// ErrNotMounted says that shardfs has no mount at a place.
var ErrNotMounted = errors.New("not mounted by shardfs")

// Changes are those of a mount, over its shard, which is closed with them.
type Changes struct {
	*overlay.Overlay
	Scratch *scratch.Scratch // opened for reading
}

// Open opens the shard of a mount and its changes, with all that was written to the mount before. The mount may be
// used meanwhile, and its server may be gone. The error is ErrNotMounted where shardfs has no mount at that place, and
// also where the mount is of many shards: it cannot be changed, so it is like any other directory.
func Open(ctx context.Context, st store.Store, place string) (*Changes, error) {
	s, err := scratchAt(place)
	if err != nil {
		return nil, err
	}
	return OpenChanges(ctx, st, s)
}

// OpenChanges opens the shard of a scratch directory, which is in st, and the changes over it.
func OpenChanges(ctx context.Context, st store.Store, s *scratch.Scratch) (*Changes, error) {
	sh, err := s.OpenShard(ctx, st)
	if err != nil {
		return nil, err
	}
	o, err := overlay.New(s, sh)
	if err != nil {
		return nil, errors.Join(err, sh.Close())
	}
	return &Changes{o, s}, nil
}

// Close closes the changes and the shard.
func (c *Changes) Close() error { return errors.Join(c.Overlay.Close(), c.Shard.Close()) }

// scratchAt returns the scratch directory of a mount, with all that was written to the mount.
func scratchAt(name string) (*scratch.Scratch, error) {
	place, err := Absolute(name)
	if err != nil {
		return nil, err
	}
	m, mounted, err := At(place)
	if err != nil {
		return nil, err
	}
	if !mounted {
		return nil, fmt.Errorf("%s: %w", name, ErrNotMounted)
	}
	if err := flush(m); err != nil {
		return nil, err
	}
	s, err := scratch.Open(m.Source)
	if err != nil {
		return nil, err
	}
	if s.Kind() == scratch.Many {
		return nil, fmt.Errorf("%s: %w as one shard", name, ErrNotMounted)
	}
	if s.Mountpoint() != place {
		return nil, fmt.Errorf("%s: %w: it is mounted elsewhere", m.Source, scratch.ErrNotScratch)
	}
	return s, nil
}

// flush has the kernel write what it holds back of a mount's files. Of a mount whose server is gone it holds nothing,
// and what overlayfs holds are the files of the upper directory themselves.
func flush(m Mount) error {
	if m.Type != fusefs.Type {
		return nil
	}
	dir, err := unix.Open(m.Mountpoint, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOTCONN || err == unix.ECONNABORTED { // gone, or just going
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: m.Mountpoint, Err: err}
	}
	defer unix.Close(dir)
	return unix.Syncfs(dir)
}

// Alive reports whether the mount still shows what commands do: its server is there, or it needs none.
func (c *Changes) Alive() bool {
	return c.Scratch.InUse() || c.Scratch.ServedByKernel()
}
