package server

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/erofs"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/view"
)

// Limits of EROFS for many shards, all of which are open for the life of the mount.
const (
	mostShards = 1024 // opening and guarding one takes half a millisecond
	shardFiles = 4    // descriptors of one that is guarded: its own, those of two leases, and its mount
)

// showMany has a base show many shards, all of which have an index.
func (s *server) showMany(b *kernelBase, set *view.Set, o erofs.Options) (err error) {
	names := set.Names()
	if slices.ContainsFunc(s.Names, store.IsRemote) {
		return fmt.Errorf("%w: a shard is remote, and is opened when it is used", erofs.ErrUnsuited)
	}
	if most := mostTogether(); len(names) > most {
		return fmt.Errorf("%w: %d shards: more than the %d that may be open", erofs.ErrUnsuited, len(names), most)
	}
	if s.Base != BaseKernel && !slices.IsSorted(names) {
		return fmt.Errorf("%w: the shards would not be listed in their order", erofs.ErrUnsuited)
	}
	entries, err := set.UseAll(s.openIndexed)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.release()
		}
	}()
	parts := make([]erofs.Part, len(entries))
	for i, e := range entries {
		b.parts = append(b.parts, kernelPart{shard: e.View.Shard, entry: e})
		parts[i] = erofs.Part{Name: names[i], View: e.View}
		parts[i].Root, _ = set.PartRoot(e.Global(e.Ino))
		_, parts[i].Verify = e.View.Shard.Descriptor()
	}
	for _, e := range entries {
		if err := s.mayShow(e.View); err != nil {
			return err
		}
	}
	image, err := erofs.NewMany(set.Top(), parts, o)
	if err != nil {
		return err
	}
	for i, m := range image.Images() {
		b.parts[i].image = m
		if err := s.suits(entries[i].View, m, s.Names[i]); err != nil {
			return err
		}
	}
	b.names = image.Names()
	b.guardian.Args = []string{"of", b.parts[0].shard.Name, fmt.Sprintf("and %d more", len(b.parts)-1)}
	return nil
}

// mostTogether returns how many shards EROFS may show together.
func mostTogether() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur/2/shardFiles, mostShards))
}
