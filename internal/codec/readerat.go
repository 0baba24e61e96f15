package codec

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"sort"
	"sync"
)

// Limits of the decoders of a ReaderAt, and so of the reads at different places that decode at the same time. A gzip
// decoder needs about 210 KiB, the others some MiB plus the history that the shard requires. If that is more than
// smallHistory, as after zstd --ultra, there is only one decoder.
const (
	maxDecoders      = 16
	maxLargeDecoders = 4
	smallHistory     = 16 << 20
)

// maxPiece is the size of the largest piece. The sums of a map with larger ones are not used.
const maxPiece = 4 << 20

// cursorReach is how far before a checkpoint a cursor may be to continue past it; otherwise another cursor is started
// at the checkpoint. Reads near a checkpoint may arrive slightly out of order, because the kernel reads ahead 128 KiB.
const cursorReach = 128 << 10

// ReaderAtOptions configures NewReaderAt.
type ReaderAtOptions struct {
	Cache   *Cache // for decoded pieces; nil means one of its own, of 32 MiB
	Workers int    // parallel decoders for a sequential reader; 0 means GOMAXPROCS
}

// ReaderAt reads the plain bytes of a compressed shard at any offset. It is safe for concurrent use.
//
// It decodes with cursors, which stay where they stopped. A read continues the nearest cursor before its offset, or
// starts one at the last checkpoint before its offset if no cursor is in between. If another read is moving a cursor
// there, it waits for that cursor. So sequential readers, however many and however interleaved, decode their bytes only
// once. For a reader that has been sequential for long, further cursors decode ahead; see readahead.go.
//
// Plain bytes are decoded in pieces. Each is compared with its sum, if the map has one, and cached.
type ReaderAt struct {
	format Format
	src    Source
	size   int64
	m      Map
	sums   bool // the sums of the map can be used
	unpack unpacker
	ahead  readAhead // its fields are guarded by mu

	mu      sync.Mutex    // guards all below
	moved   sync.Cond     // signalled when a cursor has decoded what a read waits for, or is no longer busy
	awaited map[int64]int // number of reads that wait for each plain offset
	cursors []*cursor     // least recently used first; package lru does not fit, because they are found by position
	history int64         // history limit of new decoders: smallHistory, or maxHistory once one has needed more
	cache   *Cache
}

// NewReaderAt returns a reader of the shard of size compressed bytes in src, with its map. If the map has no Points,
// every read starts decoding at the first byte. The ReaderAt must be closed.
func NewReaderAt(f Format, src Source, size int64, m Map, o ReaderAtOptions) *ReaderAt {
	if o.Cache == nil {
		o.Cache = NewCache(32 << 20)
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if m.Points == nil || m.Points.Len() == 0 || m.Points.Out(0) != 0 {
		m.Points = pointList{{Member: true}}
	}
	z := &ReaderAt{format: f, src: src, size: size, m: m, sums: true, unpack: newUnpacker(), history: smallHistory}
	if m.Piece <= 0 || m.Piece > maxPiece {
		z.m.Piece, z.sums = passPiece, false
	}
	z.cache = o.Cache
	z.ahead.workers = o.Workers
	z.ahead.ctx, z.ahead.stop = context.WithCancel(context.Background())
	z.moved.L, z.awaited = &z.mu, make(map[int64]int)
	return z
}

// Close ends decoding ahead, waits for it, and removes the pieces from the cache. z can still be read.
func (z *ReaderAt) Close() error {
	z.mu.Lock()
	z.ahead.workers = 0
	z.mu.Unlock()
	z.ahead.stop()
	z.ahead.running.Wait()
	z.cache.drop(z)
	return nil
}

// piece returns the key of a piece in the cache.
func (z *ReaderAt) piece(off int64) cacheKey { return cacheKey{z, off} }

// ReadAt reads like [io.ReaderAt]. When ctx ends, a read that has to decode or to wait returns its cause. Errors are
// not remembered: the next read tries again.
func (z *ReaderAt) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: negative offset", off)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	n, err := z.read(ctx, p, off)
	if err != nil && err != io.EOF && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return n, err
}

func (z *ReaderAt) read(ctx context.Context, p []byte, off int64) (int, error) {
	n, tries := 0, 0
	for n < len(p) {
		at := off + int64(n)
		if at >= z.m.Plain {
			return n, io.EOF
		}
		want, err := z.extentAt(at)
		if err != nil {
			return n, err
		}
		if m, length := z.cache.copy(z.piece(want.off), at-want.off, p[n:]); m > 0 {
			z.follow(at, at+int64(m))
			n, tries = n+m, 0
		} else if length > 0 && want.open {
			return n, io.EOF // this is the last piece, and it is short
		} else if tries == maxTries {
			return n, errOrder(at)
		} else if err := ctx.Err(); err != nil {
			return n, err
		} else if c, err := z.borrow(ctx, want); err != nil {
			return n, err
		} else if c == nil {
			z.waitFor(ctx, want, off+int64(len(p)))
		} else if err := z.decode(c, want); z.needsMore(c, err) {
			continue
		} else if err != nil && c.begun >= want.point.Out {
			return n, err // otherwise starting at the last checkpoint before the piece may avoid the error
		} else {
			tries++
		}
	}
	return n, nil
}

// waitFor waits until the busy cursor that will decode a piece has reached the end of the read, or its own end if
// that is earlier, or until any cursor is no longer busy, or until ctx ends. Waking up for every piece of every
// cursor cost a tenth of the time of a sequential reader.
func (z *ReaderAt) waitFor(ctx context.Context, want extent, end int64) {
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() {
			z.mu.Lock()
			defer z.mu.Unlock()
			z.moved.Broadcast()
		})()
	}
	last := want.off
	for _, c := range z.cursors {
		if c.busy && c.from <= want.off && want.off < c.to {
			last = max(last, min(end, c.to)-1)
		}
	}
	z.awaited[last]++
	z.moved.Wait()
	if z.awaited[last]--; z.awaited[last] == 0 {
		delete(z.awaited, last)
	}
}

// come wakes the reads that wait for a plain byte between two offsets.
func (z *ReaderAt) come(from, to int64) {
	for at := range z.awaited {
		if from <= at && at < to {
			z.moved.Broadcast()
			return
		}
	}
}

// extent is the place of a piece in the plain bytes.
type extent struct {
	off, end int64
	sum      uint32
	summed   bool       // sum is known
	open     bool       // the shard may end before the extent does
	point    Checkpoint // the last one at or before off
}

// extentAt returns the extent of the piece with the plain byte at.
func (z *ReaderAt) extentAt(at int64) (extent, error) {
	points := z.m.Points
	i := sort.Search(points.Len(), func(i int) bool { return points.Out(i) > at }) - 1
	for ; i >= 0; i++ {
		// While points grow, the sums of the last one must be read before it is known to be the last: with
		// the next one, the sum of a shorter piece is added.
		c, end := points.At(i), z.m.Plain
		if i+1 < points.Len() {
			if end = points.Out(i + 1); end <= at {
				continue
			}
		}
		if c.Out > at {
			break
		}
		k := (at - c.Out) / z.m.Piece
		p := extent{off: c.Out + k*z.m.Piece, point: c}
		p.end, p.open = p.off+min(end-p.off, z.m.Piece), end == math.MaxInt64
		if z.sums && k < int64(len(c.Sums)) {
			p.sum, p.summed = c.Sums[k], true
		}
		return p, nil
	}
	return extent{}, errOrder(at)
}

// maxTries is how often a read decodes without reaching its piece before the map is considered wrong. While points
// grow, a new checkpoint can move the pieces after it, but only at the position of the pass.
const maxTries = 16

func errOrder(at int64) error {
	return fmt.Errorf("plain byte %d: %w: checkpoints out of order", at, ErrDamaged)
}

// decode moves c, which is busy, to the end of a piece, caches the pieces on the way, and makes c idle. It unlocks mu
// while it works; when it returns nil, the piece is cached.
func (z *ReaderAt) decode(c *cursor, want extent) error {
	defer z.moved.Broadcast()
	whole, err := z.advance(c, want)
	if err != nil || !whole {
		z.remove(c)
		return err
	}
	if z.finish(c, want) {
		return nil
	}
	c.busy, c.far = false, false
	z.remove(c)
	z.cursors = append(z.cursors, c)
	return nil
}

// advance is decode, except that c stays busy. whole is false if the shard ends in the piece.
func (z *ReaderAt) advance(c *cursor, want extent) (whole bool, err error) {
	for c.from <= want.off {
		p, err := z.extentAt(c.from)
		if err != nil {
			return false, err
		}
		buf := z.cache.blank(p.end - c.from)
		z.mu.Unlock()
		n, err := z.fill(c, p, buf)
		sound := p.verify(c.from, buf[:n])
		z.mu.Lock()
		if err == nil && p.off == want.off {
			err = sound // pieces on the way may be damaged
		}
		if err != nil {
			return false, err
		}
		if c.from == p.off && sound == nil {
			z.cache.put(z.piece(p.off), buf[:n])
		}
		z.come(c.from, c.from+int64(n))
		c.from += int64(n)
		if n < len(buf) {
			return false, nil
		}
	}
	return true, nil
}

// verify compares data, the bytes of a piece from an offset on, with the sum of the piece if they are the whole piece.
func (p extent) verify(from int64, data []byte) error {
	if !p.summed || from != p.off {
		return nil
	}
	if sum := crc32.ChecksumIEEE(data); sum != p.sum {
		end := p.off + int64(len(data))
		return fmt.Errorf("plain bytes %d to %d: %w: CRC32 %08x, want %08x", p.off, end, ErrDamaged, sum, p.sum)
	}
	return nil
}

// fill reads the rest of a piece from c, which is in it. It returns fewer bytes only if the piece is open.
func (z *ReaderAt) fill(c *cursor, p extent, buf []byte) (int, error) {
	n, err := io.ReadFull(c.decoder, buf)
	switch {
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return n, err
	case !p.open:
		at := c.from + int64(n)
		return n, fmt.Errorf("plain byte %d: the data ends before byte %d: %w", at, p.end, io.ErrUnexpectedEOF)
	case n > 0:
		return n, nil
	}
	return 0, io.EOF
}
