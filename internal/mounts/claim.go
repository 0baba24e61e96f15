package mounts

import (
	"errors"
	"io/fs"

	"github.com/shardfs/shardfs/internal/claim"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// Claim claims the files that mounts of this user need: their shards, index files and scratch directories. A shard
// that is replaced is not the one to which the changes of its mount belong. Indexes means that the command only writes
// sidecars, which may be replaced at any time.
func Claim(f *claim.Files, indexes bool) error {
	all, err := List()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is no /proc
	}
	if err != nil {
		return err
	}
	for _, m := range all {
		if !m.Ours {
			continue
		}
		s, err := scratchOf(m)
		if err != nil {
			continue // of another user, or left by a server that is gone
		}
		f.Own("the scratch directory of the mount "+m.Mountpoint, s.Dir)
		shards, index, err := s.Shards()
		if err != nil {
			return err
		}
		for _, name := range shards {
			f.Mounted("the shard of the mount "+m.Mountpoint, name)
			if !indexes {
				sidecar := store.Beside(name, shard.SidecarSuffix)
				f.Mounted("the sidecar of the shard of the mount "+m.Mountpoint, sidecar)
			}
		}
		if held, ok := heldElsewhere(m, s, shards); ok {
			f.Mounted("the shard of the mount "+m.Mountpoint, held)
		}
		if index != "" {
			f.Mounted("the index file of the mount "+m.Mountpoint, index)
		}
	}
	return nil
}

// heldElsewhere returns a path of the shard of a mount, see heldShard, if the name that it had leads to it no more.
func heldElsewhere(m Mount, s *scratch.Scratch, shards []string) (name string, ok bool) {
	if s.Kind() == scratch.Many || s.IsShard(shards[0]) {
		return "", false
	}
	if _, err := store.Path(shards[0]); err != nil {
		return "", false // in another store
	}
	return heldShard(m, s)
}
