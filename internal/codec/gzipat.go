package codec

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"
)

// The memory of a GzipReaderAt beside its checkpoints: 8 MiB of blocks, and for each cursor about 120 KiB and the block
// that it decodes, together under 12 MiB. Blocks of 32 KiB are as fast as larger ones in sequence, and faster at random
// because less is decoded behind the read.
const (
	blockSize  = 32 << 10
	maxBlocks  = 256
	maxCursors = 16
)

// cursorReach is how far before a checkpoint a cursor may stand to be continued rather than another started at the
// checkpoint. Its readers are about to pass the checkpoint, and may come a little out of order: the kernel reads ahead
// 128 KiB.
const cursorReach = 128 << 10

// GzipReaderAt reads the plain bytes of a gzip shard at any offset. It is safe for concurrent use.
//
// It decodes with cursors, which stay where they stopped. A read continues the cursor that stands nearest before its
// offset, or starts one at the last checkpoint before it if no cursor stands in between. If another read is just bringing
// a cursor there, it waits for that one. So several readers that each go forward cost one decode of what they read,
// whether their ways are apart or intertwined. Decoded blocks are kept for a while, for reads that come out of order.
//
// A checksum covers a whole member and is compared when a cursor has come through a member from its start. Elsewhere
// only damage that breaks the deflate data is found; the GzipReader that made the checkpoints has verified all of it.
type GzipReaderAt struct {
	r      io.ReaderAt
	size   int64
	plain  int64
	points []Checkpoint // in order of Out, the first at 0

	mu      sync.Mutex // guards all below
	moved   sync.Cond  // a cursor has decoded a block or has been given back
	cursors []*cursor  // the least recently used first
	blocks  []block    // the least recently used first
}

// cursor is a decoder somewhere in the shard. Whoever has set busy owns z; the other fields are guarded by
// GzipReaderAt.mu.
type cursor struct {
	z    GzipReader
	busy bool
	from int64 // plain offset where it stands
	to   int64 // plain offset where it will stand when it is no longer busy
}

// block is a piece of plain bytes. Blocks can overlap.
type block struct {
	off  int64
	data []byte
}

// NewGzipReaderAt returns a reader of the shard of size compressed bytes in r, which hold plain bytes when decoded.
// points are checkpoints of this shard in order of Out, as GzipReader reports them; without any, reading starts at the
// front. They are not copied.
func NewGzipReaderAt(r io.ReaderAt, size, plain int64, points []Checkpoint) *GzipReaderAt {
	if len(points) == 0 || points[0].Out > 0 {
		points = slices.Insert(slices.Clone(points), 0, Checkpoint{Member: true})
	}
	z := &GzipReaderAt{r: r, size: size, plain: plain, points: points}
	z.moved.L = &z.mu
	return z
}

// ReadAt implements io.ReaderAt. An error is not remembered: the next read tries again.
func (z *GzipReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: negative offset", off)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= z.plain {
			return n, io.EOF
		}
		if data := z.cached(at); data != nil {
			n += copy(p[n:], data)
		} else if c := z.borrow(at); c == nil {
			z.moved.Wait()
		} else if err := z.decode(c, at); err != nil {
			return n, err
		}
	}
	return n, nil
}

// cached returns the decoded bytes from at on, or nil. They may be used until mu is unlocked.
//
// The search is linear: a hit is nearly always among the last, and looking at all 256 costs under a hundredth of decoding
// one.
func (z *GzipReaderAt) cached(at int64) []byte {
	for i, b := range slices.Backward(z.blocks) {
		if b.off <= at && at < b.off+int64(len(b.data)) {
			copy(z.blocks[i:], z.blocks[i+1:])
			z.blocks[len(z.blocks)-1] = b
			return b.data[at-b.off:]
		}
	}
	return nil
}

// borrow returns a cursor, now busy, that stands at or before at: the nearest, or one started at a checkpoint. It returns
// nil if the nearest is only on its way, or if a new start is needed and all are busy; then waiting helps.
func (z *GzipReaderAt) borrow(at int64) *cursor {
	i := sort.Search(len(z.points), func(i int) bool { return z.points[i].Out > at }) - 1
	point := z.points[i]

	var best *cursor
	for _, c := range z.cursors {
		if point.Out-cursorReach <= c.to && c.from <= at && (best == nil || best.to < c.to) {
			best = c
		}
	}
	if best != nil && best.busy {
		return nil
	}
	if best == nil {
		if best = z.spare(); best == nil {
			return nil
		}
		best.from = point.Out
		best.z.resume(io.NewSectionReader(z.r, point.In, max(0, z.size-point.In)), point)
	}
	best.busy = true
	blocks := (at-best.from)/blockSize + 1
	best.to = min(best.from+blocks*blockSize, z.plain)
	return best
}

// spare returns a cursor for a new place: a new one, the one that has been idle for longest, or nil if all are busy.
func (z *GzipReaderAt) spare() *cursor {
	if len(z.cursors) < maxCursors {
		c := new(cursor)
		z.cursors = append(z.cursors, c)
		return c
	}
	for _, c := range z.cursors {
		if !c.busy {
			return c
		}
	}
	return nil
}

// decode moves c, which is busy, behind at, keeps the blocks on the way, and gives c back. It unlocks mu while it works;
// when it returns nil, at is cached.
func (z *GzipReaderAt) decode(c *cursor, at int64) error {
	defer z.moved.Broadcast()
	for c.from <= at {
		buf := z.blank()[:min(blockSize, z.plain-c.from)]
		z.mu.Unlock()
		n, err := io.ReadFull(&c.z, buf)
		z.mu.Lock()
		if err != nil {
			z.remove(c)
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = fmt.Errorf("plain byte %d: gzip data ends before byte %d: %w", c.from+int64(n), z.plain, io.ErrUnexpectedEOF)
			}
			return err
		}
		z.blocks = append(z.blocks, block{c.from, buf})
		c.from += int64(n)
		z.moved.Broadcast()
	}
	c.busy = false
	z.remove(c)
	z.cursors = append(z.cursors, c)
	return nil
}

// remove takes c out of z.cursors.
func (z *GzipReaderAt) remove(c *cursor) {
	i := slices.Index(z.cursors, c)
	z.cursors = slices.Delete(z.cursors, i, i+1)
}

// blank returns a buffer for a block. When there are enough blocks it takes the least recently used one's.
func (z *GzipReaderAt) blank() []byte {
	if len(z.blocks) < maxBlocks {
		return make([]byte, blockSize)
	}
	buf := z.blocks[0].data
	z.blocks = slices.Delete(z.blocks, 0, 1)
	return buf[:blockSize]
}
