package scratch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// UseIndex finds a place for the index where OpenShard looks for it.
func TestUseIndex(t *testing.T) {
	cache := t.TempDir()
	for _, tt := range []struct {
		name  string
		o     shard.Options
		want  string // where the index is then; "" for nowhere
		cache string
	}{
		{"none", shard.Options{NoIndex: true}, "", ""},
		{"cache", shard.Options{CacheDir: cache, AllowTruncated: true}, "", cache},
		{"no cache", shard.Options{}, "index", ""},
		{"unusable cache", shard.Options{CacheDir: "/dev/null/cache"}, "index", ""},
		{"file", shard.Options{IndexFile: "/some/index"}, "/some/index", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := create(t, filepath.Join(t.TempDir(), "scratch"))
			want := tt.want
			if want != "" && !filepath.IsAbs(want) {
				want = s.path(want)
			}
			o, err := s.UseIndex(tt.o)
			shardtest.Check(t, err)
			if o.IndexFile != want || o.CacheDir != tt.cache || o.NoIndex != tt.o.NoIndex {
				t.Errorf("index %q, cache %q, none %v, want %q, %q", o.IndexFile, o.CacheDir, o.NoIndex, want, tt.cache)
			}
			shardtest.Check(t, s.BindMany("", nil))
			s, err = Open(s.Dir)
			shardtest.Check(t, err)
			if m := s.manifest; m.index != want || m.cache != tt.cache || m.truncated != tt.o.AllowTruncated {
				t.Errorf("the manifest is %+v", m)
			}
		})
	}
}

// The index that was made for the mount is used by OpenShard.
func TestOpenShardIndex(t *testing.T) {
	name := shardtest.Write(t, "a.x", "b.x")
	s := create(t, filepath.Join(t.TempDir(), "scratch"))
	o, err := s.UseIndex(shard.Options{})
	shardtest.Check(t, err)
	sh, err := shard.Open(t.Context(), name, o)
	shardtest.Check(t, err)
	defer sh.Close()
	shardtest.Check(t, s.Bind(sh, ""))
	again, err := s.OpenShard(t.Context(), nil)
	shardtest.Check(t, err)
	defer again.Close()
	if !sh.Indexed || again.Indexed {
		t.Errorf("indexed %v and again %v", sh.Indexed, again.Indexed)
	}
	shardtest.Check(t, s.Sync())
	shardtest.Check(t, os.Remove(name))
	if _, err := s.OpenShard(t.Context(), nil); err == nil {
		t.Error("a removed shard was opened")
	}
}
