package codec

import (
	"maps"
	"slices"
	"testing"
)

func TestCache(t *testing.T) {
	c := NewCache(1000)
	key := func(off int64) cacheKey { return cacheKey{nil, off} }
	put := func(off, size int64) { c.put(key(off), c.blank(size)) }
	read := func(off int64, n int) {
		t.Helper()
		if got, length := c.copy(key(off), 0, make([]byte, n)); got != min(n, length) || length == 0 {
			t.Fatalf("%d of %d bytes at %d", got, length, off)
		}
	}
	offsets := func(pieces map[cacheKey]*cached) (list []int64) {
		for k := range pieces {
			list = append(list, k.off)
		}
		slices.Sort(list)
		return list
	}
	has := func(unread, done []int64) {
		t.Helper()
		gotUnread, gotDone := offsets(maps.Collect(c.unread.All())), offsets(maps.Collect(c.read.All()))
		if !slices.Equal(gotUnread, unread) || !slices.Equal(gotDone, done) {
			t.Fatalf("pieces at %d, and at %d that were read, want %d and %d", gotUnread, gotDone, unread, done)
		}
	}
	if n, length := c.copy(key(0), 0, make([]byte, 1)); n != 0 || length != 0 {
		t.Fatal("something in an empty cache")
	}
	put(0, 400)
	put(400, 400)
	has([]int64{0, 400}, nil)
	read(0, 100)
	put(800, 400) // in place of the one at 400, which was used before the one at 0
	has([]int64{0, 800}, nil)
	read(0, 200) // more than half of it by now
	has([]int64{800}, []int64{0})
	put(1200, 400)
	has([]int64{800, 1200}, []int64{0})
	put(0, 200) // again
	has([]int64{0, 800, 1200}, nil)
	if _, length := c.copy(key(0), 0, nil); length != 200 {
		t.Fatal("the piece at 0 is an old one")
	}
	if n, length := c.copy(key(0), 200, make([]byte, 1)); n != 0 || length != 200 {
		t.Fatalf("%d bytes after the end of %d", n, length)
	}
	put(2000, 5000) // more than there is room for
	has([]int64{2000}, nil)
	put(3000, 10)
	has([]int64{3000}, nil)
	c.drop(new(ReaderAt))
	has([]int64{3000}, nil)
	c.drop(nil)
	has(nil, nil)
}

// A cache that evicts most pieces before they are read is of no use to decode for.
func TestCacheHolds(t *testing.T) {
	c := NewCache(1000)
	if !c.holds(1000) || c.holds(1001) {
		t.Error("a cache of 1000 bytes holds other than 1000")
	}
	for i := range int64(30) {
		c.put(cacheKey{nil, i}, c.blank(100))
	}
	if c.holds(1000) {
		t.Error("2000 bytes were evicted unread")
	}
	for i := range int64(40) {
		c.put(cacheKey{nil, i}, c.blank(100))
		c.copy(cacheKey{nil, i}, 0, make([]byte, 1))
	}
	if !c.holds(1000) {
		t.Error("4000 bytes were read")
	}
}
