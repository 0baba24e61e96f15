package codec

import (
	"maps"
	"slices"
	"testing"
)

func TestCache(t *testing.T) {
	c := newCache(1000)
	put := func(off, size int64) { c.put(off, c.blank(size)) }
	has := func(want ...int64) {
		t.Helper()
		if got := slices.Sorted(maps.Keys(maps.Collect(c.pieces.All()))); !slices.Equal(got, want) {
			t.Fatalf("pieces at %d, want them at %d", got, want)
		}
	}
	if c.get(0) != nil {
		t.Fatal("something in an empty cache")
	}
	put(0, 400)
	put(400, 400)
	has(0, 400)
	old := c.get(400)
	c.get(0)
	put(800, 400) // in place of the one at 400
	has(0, 800)
	if &c.get(800)[0] != &old[0] {
		t.Fatal("the memory of an evicted piece was not used again")
	}
	put(0, 200)
	put(0, 300) // again
	if len(c.get(0)) != 300 {
		t.Fatal("the piece at 0 is an old one")
	}
	put(2000, 5000) // more than there is room for
	has(2000)
	put(3000, 10)
	has(3000)
}
