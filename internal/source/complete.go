package source

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// maxCompleted is how many names a shell gets to complete one.
const maxCompleted = 1000

// CompleteKey returns the keys of a local shard that begin with a prefix or, if members is set and that is a key or
// begins a member's name, members. It tells of no error: there is nothing then to complete with.
func CompleteKey(ctx context.Context, name, prefix string, members bool, o shard.Options) (found []string) {
	n, err := Resolve(name)
	if err != nil || n.Kind != Shard || store.IsRemote(name) {
		return nil
	}
	sh, err := shard.Open(ctx, name, o)
	if err != nil {
		return nil
	}
	defer sh.Close()
	x := sh.Index
	for number := range x.Samples() {
		key := x.Key(number)
		if len(found) >= maxCompleted || ctx.Err() != nil {
			return found
		}
		if strings.HasPrefix(key, prefix) {
			found = append(found, key)
		}
		if !members || !strings.HasPrefix(prefix, key) {
			continue
		}
		for row := x.Sample(number).Start; row < x.Sample(number).End; row++ {
			if member := key + "." + x.Member(row).Ext; x.InSample(row) && strings.HasPrefix(member, prefix) {
				found = append(found, member)
			}
		}
	}
	return found
}

// CompleteMountpoint returns the mountpoints of shardfs that begin with a prefix, as names relative to the current
// directory if they are below it.
func CompleteMountpoint(prefix string) (found []string) {
	all, err := mounts.List()
	if err != nil {
		return nil
	}
	wd, err := os.Getwd()
	for _, m := range all {
		name := m.Mountpoint
		if rel, relErr := filepath.Rel(wd, name); err == nil && relErr == nil && filepath.IsLocal(rel) &&
			!filepath.IsAbs(prefix) {
			name = rel
		}
		if m.Ours && strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	return found
}
