package codec

import (
	"sync"

	"github.com/shardfs/shardfs/internal/lru"
)

// readBytes is how many bytes a Cache keeps of pieces that have been read. They are seldom read again: what the users of a
// mount have read is in the kernel's page cache.
const readBytes = 32 << 20

// Cache keeps decoded pieces of any number of readers in a limited amount of memory: above all those that were decoded
// before they were asked for. New pieces reuse the memory of evicted ones. It is safe for concurrent use.
type Cache struct {
	mu     sync.Mutex
	unread *lru.Cache[cacheKey, *cached]
	read   *lru.Cache[cacheKey, *cached]
	free   []byte // memory of the piece evicted last
	used   int64  // bytes of pieces that were read, in part at least
	wasted int64  // bytes of pieces that were evicted before that
}

// cacheKey is the place of a piece: its reader, and its offset.
type cacheKey struct {
	reader *ReaderAt
	off    int64
}

// cached is a piece.
type cached struct {
	data []byte
	read int // bytes that have been read, or more if some were read twice
}

// NewCache returns a cache of at most that many bytes of pieces that were not read yet, and at most as many others.
func NewCache(bytes int64) *Cache {
	c := new(Cache)
	cost := func(p *cached) int64 { return int64(cap(p.data)) }
	c.unread = lru.New(bytes, cost, func(_ cacheKey, p *cached) {
		if p.read == 0 {
			c.wasted += int64(len(p.data))
		}
		c.free = p.data
	})
	c.read = lru.New(min(bytes, readBytes), cost, func(_ cacheKey, p *cached) { c.free = p.data })
	return c
}

// copy copies bytes of a piece, from a position in it on, to p. It returns how many, and the length of the piece, which is
// 0 if the piece is not in the cache.
func (c *Cache) copy(key cacheKey, from int64, p []byte) (n, length int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	piece, ok := c.unread.Get(key)
	if !ok {
		if piece, ok = c.read.Get(key); !ok {
			return 0, 0
		}
	}
	if from >= int64(len(piece.data)) {
		return 0, len(piece.data)
	}
	n = copy(p, piece.data[from:])
	if piece.read == 0 {
		c.used += int64(len(piece.data))
	}
	// The rest of a piece can be headers of members, which are never read.
	if piece.read += n; piece.read > len(piece.data)/2 {
		if _, ok := c.unread.Remove(key); ok {
			c.read.Add(key, piece)
		}
	}
	return n, len(piece.data)
}

// has reports whether a piece is in the cache.
func (c *Cache) has(key cacheKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unread.Has(key) || c.read.Has(key)
}

// put keeps a piece, in place of one with the same key.
func (c *Cache) put(key cacheKey, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read.Remove(key)
	c.unread.Add(key, &cached{data: data})
}

// blank returns a buffer of size bytes for a piece. If the cache has no room for it, pieces are evicted and their memory
// reused.
func (c *Cache) blank(size int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread.MakeRoom(size)
	buf := c.free
	c.free = nil
	if int64(cap(buf)) >= size {
		return buf[:size]
	}
	return make([]byte, size)
}

// drop removes the pieces of a reader.
func (c *Cache) drop(r *ReaderAt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pieces := range []*lru.Cache[cacheKey, *cached]{c.unread, c.read} {
		pieces.RemoveFunc(func(key cacheKey) bool { return key.reader == r })
	}
}

// budget returns how many bytes of pieces that were not read are kept.
func (c *Cache) budget() int64 { return c.unread.Budget() }

// holds reports whether pieces of a shard with that many plain bytes are likely to be kept until they are read.
func (c *Cache) holds(plain int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return plain <= c.unread.Budget() && c.wasted <= c.used+c.unread.Budget()
}
