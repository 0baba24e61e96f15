package view

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/shard"
)

// All of many shards are opened together, and stay open until they are released; after an error of one, none stays in use.
func TestUseAll(t *testing.T) {
	const shards = 50
	dir := t.TempDir()
	var names, dirs []string
	for i := range shards {
		dirs = append(dirs, fmt.Sprintf("s%02d", i))
		names = append(names, filepath.Join(dir, dirs[i]+".tar"))
		write(t, names[i], 3, 80, "x")
	}
	var opened atomic.Int64
	open := func(ctx context.Context, name string) (*shard.Shard, error) {
		opened.Add(1)
		return shard.Open(ctx, name, shard.Options{})
	}
	set, err := Many(t.Context(), nil, names, open)
	check(t, err)
	defer func() { check(t, set.Close()) }()
	set.limit(3)
	used := func() (n int) {
		for _, p := range set.all {
			n += p.users
		}
		return n
	}
	broken := errors.New("it cannot be opened")
	_, err = set.UseAll(func(ctx context.Context, name string) (*shard.Shard, error) {
		if name == names[30] {
			return nil, broken
		}
		return open(ctx, name)
	})
	if !errors.Is(err, broken) || used() != 0 || set.idle.Len() > 3 {
		t.Errorf("%v, want %v; %d are in use, %d open", err, broken, used(), set.idle.Len())
	}
	if !slices.Equal(set.Names(), dirs) {
		t.Errorf("the names are %q", set.Names())
	}
	entries, err := set.UseAll(open)
	check(t, err)
	for i, e := range entries {
		want, _ := set.Part(dirs[i])
		if e.Global(e.Ino) != want.Ino || e.View.Shard.Name != names[i] {
			t.Errorf("the directory of shard %d is %d of %s", i, e.Global(e.Ino), e.View.Shard.Name)
		}
		e.Touch()
	}
	before := opened.Load()
	again, err := set.Use(t.Context(), entries[0].Global(Root))
	check(t, err)
	again.Release()
	if opened.Load() != before || used() != shards || set.warm.Len() != maxWarm {
		t.Errorf("%d were opened again, %d are in use, %d warm", opened.Load()-before, used(), set.warm.Len())
	}
	for _, e := range entries {
		e.Release()
	}
	if used() != 0 || set.idle.Len() > 3 {
		t.Errorf("after the release %d are in use, %d open", used(), set.idle.Len())
	}
}
