package codec

import "github.com/shardfs/shardfs/internal/lru"

// cache keeps pieces of plain bytes by their offset, in a limited amount of memory. New pieces reuse the memory of
// evicted ones. It is not safe for concurrent use.
type cache struct {
	pieces *lru.Cache[int64, []byte]
	free   []byte // memory of the piece evicted last
}

func newCache(limit int64) *cache {
	c := new(cache)
	c.pieces = lru.New(limit, func(b []byte) int64 { return int64(cap(b)) }, func(_ int64, b []byte) { c.free = b })
	return c
}

// get returns the piece at off, or nil. It may be used until the next call of blank.
func (c *cache) get(off int64) []byte {
	b, _ := c.pieces.Get(off)
	return b
}

// put keeps a piece, in place of one with the same offset.
func (c *cache) put(off int64, data []byte) {
	c.pieces.Add(off, data)
	c.free = nil
}

// blank returns a buffer of size bytes for a piece. If the cache has no room for it, pieces are evicted and their
// memory reused.
func (c *cache) blank(size int64) []byte {
	c.pieces.MakeRoom(size)
	buf := c.free
	c.free = nil
	if int64(cap(buf)) >= size {
		return buf[:size]
	}
	return make([]byte, size)
}
