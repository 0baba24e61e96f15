package codec

// cache keeps pieces of plain bytes by their offset, the latest used, in so much memory.
type cache struct {
	limit  int64
	bytes  int64
	blocks map[int64]*block
	latest *block // head of a ring; its prev is the least recently used
}

// block is a piece of plain bytes. It belongs to a ring in order of use.
type block struct {
	off        int64
	data       []byte
	prev, next *block
}

// get returns the piece at off, or nil. It may be used until the next call of blank.
func (c *cache) get(off int64) []byte {
	b := c.blocks[off]
	if b == nil {
		return nil
	}
	c.remove(b)
	c.add(b)
	return b.data
}

// put keeps a piece, in place of one with the same offset.
func (c *cache) put(off int64, data []byte) {
	if old := c.blocks[off]; old != nil {
		c.remove(old)
	}
	c.add(&block{off: off, data: data})
}

// blank returns a buffer of size bytes for a piece; it takes those of the least recently used if there is no room.
func (c *cache) blank(size int64) []byte {
	var buf []byte
	for c.latest != nil && c.bytes+size > c.limit {
		b := c.latest.prev
		c.remove(b)
		buf = b.data
	}
	if int64(cap(buf)) >= size {
		return buf[:size]
	}
	return make([]byte, size)
}

func (c *cache) add(b *block) {
	if c.blocks == nil {
		c.blocks = make(map[int64]*block)
	}
	c.blocks[b.off] = b
	c.bytes += int64(cap(b.data))
	if c.latest == nil {
		b.prev, b.next = b, b
	} else {
		b.prev, b.next = c.latest.prev, c.latest
		b.prev.next, b.next.prev = b, b
	}
	c.latest = b
}

func (c *cache) remove(b *block) {
	delete(c.blocks, b.off)
	c.bytes -= int64(cap(b.data))
	if b.next == b {
		c.latest = nil
		return
	}
	b.prev.next, b.next.prev = b.next, b.prev
	if c.latest == b {
		c.latest = b.next
	}
}
