package erofs

import (
	"context"
	"fmt"
	"sort"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// The areas in this file have the parts of directories that do not fit into their slots. A place follows from rows and
// numbers of the index, except in the area of directories with many subdirectories, where each gets the next place when
// it is first met: the kernel learns places only from what it has read.

// membersInBlock is how many inodes a block of the area of members has.
const membersInBlock = BlockSize / memberUnit

// many is a directory with many subdirectories.
type many struct {
	dir   index.Dir
	block int64 // first block of its entries in the area
}

// farInode returns the place of the inode of a file that is not in a slot.
func (m *Image) farInode(ino view.Ino, sample int) int64 {
	if row, ok := ino.Member(); ok {
		if k, ok := m.sparseOf(row); ok {
			return m.at.sparse + int64(k)*sparseUnit
		}
		return m.at.members + int64(row/membersInBlock*BlockSize+row%membersInBlock*memberUnit)
	}
	at := m.at.keys + int64(sample)*m.keyed
	if _, ok := ino.Key(); !ok {
		at += longSize
	}
	return at
}

// farEntries returns the place of the entries of a directory that are not in its slot.
func (m *Image) farEntries(l *listing) int64 {
	switch {
	case l.subdirs == 0 && l.sample >= 0:
		return m.at.entries + BlockSize*m.firstEntry(l.sample)
	case !m.order.Flat && l.blocks() <= m.few:
		return m.at.few + BlockSize*m.few*int64(l.dir)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	block, ok := m.found[l.dir]
	if !ok {
		block = m.used
		m.used += l.blocks()
		m.found[l.dir] = block
		m.many = append(m.many, many{l.dir, block})
	}
	return m.at.many + BlockSize*block
}

// firstEntry returns the block in the area of entries where those of a sample begin: there is one for each row before
// it, and each sample has four entries more than members.
func (m *Image) firstEntry(sample int) int64 {
	start, _ := m.x.SampleRows(sample)
	return int64(start) + moreEntries*int64(sample)
}

// memberBlock writes a block of inodes of members.
func (m *Image) memberBlock(_ context.Context, i int64, b []byte) error {
	for k := range membersInBlock {
		row := int(i)*membersInBlock + k
		if row >= m.x.Rows() || !m.x.InSample(row) {
			continue
		}
		if _, ok := m.sparseOf(row); ok {
			continue
		}
		place := m.at.members + i*BlockSize + int64(k*memberUnit)
		if err := m.putMember(b[k*memberUnit:], place, row, m.v.Attr(view.MemberIno(row))); err != nil {
			return err
		}
	}
	return nil
}

// sampleBlock writes a block of the entries of a sample without subdirectories.
func (m *Image) sampleBlock(_ context.Context, i int64, b []byte) error {
	n := sort.Search(m.x.Samples(), func(n int) bool { return m.firstEntry(n) > i }) - 1
	if n < 0 {
		return nil
	}
	l := m.list(m.x.DirOf(n))
	if l.subdirs > 0 {
		return nil
	}
	return m.farBlock(b, l, i-m.firstEntry(n))
}

// fewBlock writes a block of the entries of a directory with subdirectories.
func (m *Image) fewBlock(_ context.Context, i int64, b []byte) error {
	l := m.list(index.Dir(i / m.few))
	if l.subdirs == 0 || l.blocks() > m.few {
		return nil
	}
	return m.farBlock(b, l, i%m.few)
}

// manyBlock writes a block of the entries of a directory with many subdirectories.
func (m *Image) manyBlock(_ context.Context, i int64, b []byte) error {
	m.mu.Lock()
	n := sort.Search(len(m.many), func(n int) bool { return m.many[n].block > i }) - 1
	var d many
	if n >= 0 {
		d = m.many[n]
	}
	m.mu.Unlock()
	if n < 0 {
		return nil
	}
	return m.farBlock(b, m.list(d.dir), i-d.block)
}

// farBlock writes the k-th block of the entries of a directory, if they are not in its slot.
func (m *Image) farBlock(b []byte, l *listing, k int64) error {
	if k >= l.blocks() {
		return nil
	}
	p := m.plan(l, m.slot)
	if p.inSlot || p.inline {
		return nil
	}
	return m.putBlock(b, p, k)
}

// keyBlock writes a block of the area of keys: the inodes of the two files, or a part of the key.
func (m *Image) keyBlock(_ context.Context, i int64, b []byte) error {
	per := m.keyed / BlockSize
	n, part := int(i/per), i%per
	key := m.x.Key(n)
	if part > 0 {
		if at := (part - 1) * BlockSize; at < int64(len(key)) {
			copy(b, key[at:])
		}
		return nil
	}
	if int64(len(key)) > m.keyed-BlockSize {
		return m.unsuited("sample %d has a key of %d bytes", n, len(key))
	}
	place := m.at.keys + int64(n)*m.keyed
	where := uint32(place/BlockSize) + 1
	m.put(b, place, inode{Attr: m.v.Attr(view.KeyIno(n)), where: where})
	m.putSource(b[longSize:], place+longSize, m.v.Attr(view.SourceIno(n)))
	return nil
}

// sourceText writes the shard's name.
func (m *Image) sourceText(_ context.Context, _ int64, b []byte) error {
	copy(b, m.v.Shard.Name)
	return nil
}

// verify compares the members of a sample with their headers, if that is wanted. A sample of -1 has none.
func (m *Image) verify(ctx context.Context, sample int) error {
	if !m.o.Verify || sample < 0 {
		return nil
	}
	return m.v.CheckSample(ctx, sample)
}

// unsuited returns an ErrUnsuited.
func (m *Image) unsuited(format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", m.v.Shard.Name, fmt.Sprintf(format, args...), ErrUnsuited)
}
