package erofs

import (
	"context"
	"fmt"
	"math"
	"sort"

	"github.com/shardfs/shardfs/internal/view"
)

// Bytes is the device of an image: the plain bytes of its shard and, after them, the contents of members with holes,
// where their chunks are. It is safe for concurrent use.
type Bytes struct{ m *Image }

// Bytes returns the device of the image.
func (m *Image) Bytes() *Bytes { return &Bytes{m} }

// InShard reports whether all contents are in the plain bytes of the shard, so that a plain tar is the device itself.
func (m *Image) InShard() bool { return len(m.sparse) == 0 && m.x.End() <= m.v.Shard.Plain() }

// Members with holes.
const (
	maxChunks    = 256
	leastChunk   = 3 // of 4 KiB, in blocks, as base-2 logarithm
	largestChunk = 31
	sparseUnit   = 64 + maxChunks*chunkSize
)

// sparseFile is a member with holes. Its content is in chunks, of which those with bytes are one after the other in
// Bytes, and the others nowhere.
type sparseFile struct {
	row  int
	bits int   // base-2 logarithm of the blocks of a chunk
	at   int64 // place of its first chunk in Bytes
}

// chunk returns the bytes of a chunk.
func (s *sparseFile) chunk() int64 { return BlockSize << s.bits }

// placeSparse gives all members with holes their places.
func (m *Image) placeSparse() error {
	for row := range m.x.SparseRows() {
		if !m.x.InSample(row) {
			continue
		}
		_, size := m.x.Content(row)
		s := sparseFile{row: row, bits: leastChunk, at: m.bytesSize()}
		for s.bits < largestChunk && (size-1)/s.chunk() >= maxChunks {
			s.bits++
		}
		tooLarge := m.unsuited("member %d has %d bytes with holes", row, size)
		if size < 0 || (size-1)/s.chunk() >= maxChunks {
			return tooLarge
		}
		m.sparseEnd = s.at
		for range m.stored(&s) {
			if m.sparseEnd += s.chunk(); m.sparseEnd > maxImage {
				return tooLarge
			}
		}
		m.sparse = append(m.sparse, s)
	}
	if m.bytesSize()/BlockSize > math.MaxUint32 {
		return fmt.Errorf("%s: %w: %d bytes", m.v.Shard.Name, ErrUnsuited, m.v.Shard.Plain())
	}
	return nil
}

// stored yields the chunks of a member that are not holes, by their numbers.
func (m *Image) stored(s *sparseFile) func(yield func(k int64) bool) {
	return func(yield func(int64) bool) {
		_, size := m.x.Content(s.row)
		for off := int64(0); off < size; {
			data, ok := m.x.Data(s.row, off)
			if !ok || data.Len <= 0 {
				return
			}
			k := max(off, data.Off) / s.chunk()
			if !yield(k) {
				return
			}
			off = (k + 1) * s.chunk()
		}
	}
}

// bytesSize returns the bytes of the device.
func (m *Image) bytesSize() int64 {
	return max(m.sparseEnd, roundUp(max(m.v.Shard.Plain(), m.x.End()), 4096))
}

// sparseOf returns the number of a member among those with holes.
func (m *Image) sparseOf(row int) (k int, ok bool) {
	if len(m.sparse) == 0 {
		return 0, false
	}
	k = sort.Search(len(m.sparse), func(k int) bool { return m.sparse[k].row >= row })
	return k, k < len(m.sparse) && m.sparse[k].row == row
}

// sparseInode writes the inode of a member with holes.
func (m *Image) sparseInode(_ context.Context, i int64, b []byte) error {
	s := &m.sparse[i]
	a := m.v.Attr(view.MemberIno(s.row))
	n := inode{Attr: a, layout: layoutChunks, where: chunksOfPlaces | uint32(s.bits)}
	chunks := m.put(b, m.at.sparse+i*sparseUnit, n)
	for k := int64(0); k*s.chunk() < a.Size; k++ {
		m.putChunk(chunks[k*chunkSize:], noBlock)
	}
	at := s.at
	for k := range m.stored(s) {
		m.putChunk(chunks[k*chunkSize:], uint32(at/BlockSize))
		at += s.chunk()
	}
	return nil
}

// Size returns the bytes of the device.
func (b *Bytes) Size() int64 { return b.m.bytesSize() }

// ReadAt reads the device. At its end it returns fewer bytes and no error. The bytes are those of the version of the
// shard that was opened, or the error is view.ErrShard; it is EINTR if ctx ended first.
func (b *Bytes) ReadAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	b.m.lastRead.Store(off)
	return b.read(ctx, p, off)
}

func (b *Bytes) read(ctx context.Context, p []byte, off int64) (n int, err error) {
	p = p[:min(int64(len(p)), max(b.Size()-off, 0))]
	plain := b.m.v.Shard.Plain()
	for n < len(p) {
		at := off + int64(n)
		part := p[n:]
		if at < plain {
			part = part[:min(int64(len(part)), plain-at)]
			_, err = b.m.v.ReadPlain(ctx, part, at)
		} else {
			part, err = b.readSparse(ctx, part, at)
		}
		if err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// readSparse reads after the plain bytes, at most to the end of a chunk. It returns the part of p that it has filled.
func (b *Bytes) readSparse(ctx context.Context, p []byte, off int64) ([]byte, error) {
	m := b.m
	i := sort.Search(len(m.sparse), func(i int) bool { return m.sparse[i].at > off }) - 1
	if i < 0 { // between the plain bytes and the first chunk
		if len(m.sparse) > 0 {
			p = p[:min(int64(len(p)), m.sparse[0].at-off)]
		}
		clear(p)
		return p, nil
	}
	s := &m.sparse[i]
	rank, in := (off-s.at)/s.chunk(), (off-s.at)%s.chunk()
	p = p[:min(int64(len(p)), s.chunk()-in)]
	for k := range m.stored(s) {
		if rank--; rank < 0 {
			n, err := m.v.ReadAt(ctx, view.MemberIno(s.row), p, k*s.chunk()+in)
			clear(p[n:]) // after the end of the member
			return p, err
		}
	}
	clear(p)
	return p, nil
}
