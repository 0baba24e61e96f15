package shard

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/store/memory"
)

// A sidecar that was not proved is never taken for another shard: where the first members differ, the shard is scanned,
// and else the first use of a member that differs tells. Nothing is cached before, so that the next one proves it.
func TestUnproved(t *testing.T) {
	const name = "memory://bucket/a.tar"
	plain := makeTar(t, 40, 100_000)
	x := mustIndex(t, plain)
	swapped := func(first, middle, end int64) []byte { // [first, middle) comes after [middle, end)
		other := bytes.Clone(plain)
		n := copy(other[first:], plain[middle:end])
		copy(other[first+int64(n):], plain[first:middle])
		return other
	}
	last := x.Samples() - 1
	begin := x.Offset(x.Sample(last - 1).Start)
	early, late := swapped(0, x.Offset(x.Sample(1).Start), x.Offset(x.Sample(2).Start)),
		swapped(begin, x.Offset(x.Sample(last).Start), x.End())
	for _, tt := range []struct {
		story           string
		shard           []byte
		scanned, likely bool
	}{
		{"right", plain, false, true}, {"differs early", early, true, false}, {"differs late", late, false, true},
	} {
		s := memory.New()
		s.Put(name, plain)
		local := mustOpen(t, save(t, plain), Options{})
		local.o.Store = s
		if err := local.Save(t.Context(), name+SidecarSuffix); err != nil {
			t.Fatal(err)
		}
		s.Put(name, tt.shard)
		o := Options{Store: &far{Store: s, exact: true}, Unproved: true, CacheDir: filepath.Join(t.TempDir(), "cache")}
		sh, err := Open(t.Context(), name, o)
		if err != nil {
			t.Fatalf("%s: %v", tt.story, err)
		}
		if sh.Indexed != tt.scanned || sh.Unproved() != tt.likely {
			t.Errorf("%s: scanned %v, unproved %v", tt.story, sh.Indexed, sh.Unproved())
		}
		if kept := len(cacheFiles(t, o.CacheDir)); kept > 0 && tt.likely {
			t.Errorf("%s: %d files in the cache", tt.story, kept)
		}
		right := mustIndex(t, tt.shard)
		stale := false
		for row := range sh.Index.Rows() {
			_, err := sh.Index.Open(row, sh.Reader(t.Context()))
			if stale = stale || errors.Is(err, index.ErrStale); !stale && sh.Index.Member(row) != right.Member(row) {
				t.Errorf("%s: row %d: %v", tt.story, row, err)
			}
		}
		if stale != (tt.story == "differs late") || stale != errors.Is(sh.Index.Err(), index.ErrStale) {
			t.Errorf("%s: noticed: %v, %v", tt.story, stale, sh.Index.Err())
		}
		if err := sh.Close(); err != nil {
			t.Error(err)
		}
		if kept := len(cacheFiles(t, o.CacheDir)); kept > 0 && tt.likely {
			t.Errorf("%s: %d files in the cache afterwards", tt.story, kept)
		}
		o.Unproved = false
		if sh, err = Open(t.Context(), name, o); err != nil {
			t.Fatal(err)
		}
		checkAll(t, tt.story, sh, tt.shard)
		sh.Close()
	}
}
