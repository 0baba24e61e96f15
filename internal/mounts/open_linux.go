package mounts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// ErrNotMounted means that shardfs has mounted nothing at a place.
var ErrNotMounted = errors.New("not mounted by shardfs")

// ErrDead means that a mount needs a server, and has none any more.
var ErrDead = errors.New("the server of the mount has ended")

// ErrMany means that a mount shows many shards, and so has no changes.
var ErrMany = errors.New("it shows many shards")

// Changes are the changes of a mount, with its shard; Close closes both.
type Changes struct {
	*overlay.Overlay
	Scratch *scratch.Scratch // opened for reading
	Device  string           // of the mount
}

// Open opens the shard of a mount and its changes, including everything written to the mount before the call. The mount
// may stay in use, and its server may be gone. The error is ErrNotMounted if shardfs has mounted nothing there, and
// also for a mount of many shards, which is read-only and treated as any other directory.
func Open(ctx context.Context, st store.Store, place string) (*Changes, error) {
	s, m, err := scratchAt(place)
	if err != nil {
		return nil, err
	}
	sh, err := openShard(ctx, st, s, m)
	if err != nil {
		return nil, err
	}
	o, err := overlay.New(s, sh)
	if err != nil {
		return nil, errors.Join(err, sh.Close())
	}
	return &Changes{Overlay: o, Scratch: s, Device: m.Device}, nil
}

// ManyAt returns the names of the shards of a mount of many; nil if there is no such mount.
func ManyAt(place string) []string {
	m, mounted, err := At(place)
	if err != nil || !mounted || !m.Whole {
		return nil
	}
	s, err := scratchOf(m)
	if err != nil || s.Kind() != scratch.Many {
		return nil
	}
	names, _, err := s.Shards()
	if err != nil {
		return nil
	}
	return names
}

// openShard opens the shard of a mount, which is in st. If it has another name now, or another file has its name, the
// server of the mount still has it open.
func openShard(ctx context.Context, st store.Store, s *scratch.Scratch, m Mount) (*shard.Shard, error) {
	sh, err := s.OpenShard(ctx, st)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, scratch.ErrReplaced) {
		if name, ok := heldShard(m, s); ok {
			return s.OpenShardAs(ctx, name)
		}
	}
	return sh, err
}

// Server is what is known of the server of a mount.
type Server struct {
	Stats string // what it says that reading its remote shards has cost; "" if they are local
	Log   string // the name of its log, if that began with the mount; else ""
}

// ServerOf returns what is known of the server of a mount.
func ServerOf(place string) (known Server) {
	m, mounted, err := At(place)
	if err != nil || !mounted {
		return known
	}
	s, err := scratchOf(m)
	if err != nil {
		return known
	}
	if a, err := s.Ask(); err == nil {
		known.Stats = a.Stats
	}
	if s.Temporary() {
		known.Log = s.LogFile()
	}
	return known
}

// ShardsAt returns the shards that a mount shows, by their absolute names without credentials, in any order. The error is
// ErrNotMounted if shardfs has mounted nothing there.
func ShardsAt(place string) ([]string, error) {
	m, mounted, err := At(place)
	if err == nil && !mounted {
		err = fmt.Errorf("%s: %w", place, ErrNotMounted)
	}
	if err != nil {
		return nil, err
	}
	s, err := scratchOf(m)
	if err != nil {
		return nil, err
	}
	names, _, err := s.Shards()
	return names, err
}

// Close closes the changes and the shard.
func (c *Changes) Close() error { return errors.Join(c.Overlay.Close(), c.Shard.Close()) }

// scratchAt returns the scratch directory of a mount, after everything written to the mount has reached it.
func scratchAt(place string) (*scratch.Scratch, Mount, error) {
	m, mounted, err := At(place)
	if err != nil {
		return nil, m, err
	}
	if !mounted || !m.Whole {
		return nil, m, fmt.Errorf("%s: %w", place, ErrNotMounted)
	}
	if err := flush(m); err != nil {
		return nil, m, err
	}
	s, err := scratchOf(m)
	if err != nil {
		return nil, m, err
	}
	if s.Kind() == scratch.Many {
		return nil, m, fmt.Errorf("%s: %w as one shard: %w", place, ErrNotMounted, ErrMany)
	}
	return s, m, nil
}

// flush makes the kernel send the dirty pages of a FUSE mount to its server. A mount without a server has none, and the
// pages of overlayfs are those of the files in the upper directory.
func flush(m Mount) error {
	if m.Type != fusefs.Type {
		return nil
	}
	var dir int
	// The request that a server was reading when it was killed gets EIO, those after it that there is no server.
	p := retry.Policy{Limit: time.Second}
	err := retry.While(context.Background(), p, retry.Is(unix.EIO), func() (err error) {
		dir, err = unix.Open(m.Mountpoint, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err == unix.ENOTCONN || err == unix.ECONNABORTED { // the server is gone, or ending
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: m.Mountpoint, Err: err}
	}
	defer unix.Close(dir)
	return unix.Syncfs(dir)
}

// Alive reports whether the mount is still served, by its server or by the kernel alone.
func (c *Changes) Alive() bool {
	return c.Scratch.InUse() || c.Scratch.ServedByKernel()
}
