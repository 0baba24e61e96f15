package erofs

import (
	"context"
	"slices"
	"sort"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// Each directory has a slot of fixed size, at a place that follows from its row, so the number of its inode does, too.
// The slot begins with that inode. If all fits, the slot has the entries of the directory as well, and the inodes of the
// files of its sample; all else is in areas where there is room for everything.

// maxSlot is the most bytes that a slot has.
const maxSlot = 16 << 10

// plan says where the parts of a directory are.
type plan struct {
	*listing
	attr    view.Attr   // of the directory
	attrs   []view.Attr // of each of own that is a file
	inodes  []int64     // places of the inodes of own in the image
	inline  bool        // the entries follow the inode
	inSlot  bool        // the inodes of files, and the entries, are in the slot
	entries int64       // place of the blocks of entries, if they are not inline
	used    int64       // bytes of the slot
}

// dirAt returns the place of the inode of a directory.
func (m *Image) dirAt(d index.Dir) int64 {
	if d == index.Root {
		return m.in.begin + rootAt
	}
	return m.at.slots + int64(d)*m.slot
}

// plan returns where the parts of a directory are, in a slot of a size.
func (m *Image) plan(l *listing, slot int64) *plan {
	p := &plan{listing: l, attr: m.attr(view.DirIno(l.dir)), inodes: make([]int64, len(l.own))}
	start := m.dirAt(l.dir)
	p.used = int64(m.sizeOf(&p.attr))
	p.inline = l.isSmall() && p.used+int64(l.size) <= BlockSize
	for i, e := range l.own {
		if d, ok := e.ino.Dir(); ok {
			p.inodes[i] = m.dirAt(d)
		}
		if l.dir == index.Root && e.name == ".." {
			p.inodes[i] = m.in.above
		}
	}
	if l.dir != index.Root && m.fits(p, start, slot) {
		p.inSlot = true
		return p
	}
	p.used = int64(m.sizeOf(&p.attr))
	if !p.inline {
		p.entries = m.farEntries(l)
	}
	for i, e := range l.own {
		if !e.ino.IsDir() {
			p.inodes[i] = m.farInode(e.ino, l.sample)
		}
	}
	return p
}

// fits gives all parts of a directory places in its slot. It returns false if the slot is too small.
func (m *Image) fits(p *plan, start, slot int64) bool {
	if int64(p.listing.entries()) > slot/inodeUnit {
		return false
	}
	var blocks int64 // bytes of the blocks of entries, which follow the first block
	if p.inline {
		p.used += int64(p.size)
	} else {
		blocks = BlockSize * p.blocks()
		p.entries = start + BlockSize
	}
	p.attrs = make([]view.Attr, len(p.own))
	for i, e := range p.own {
		if e.ino.IsDir() {
			continue
		}
		a := &p.attrs[i]
		*a = m.v.Attr(e.ino)
		n := int64(m.sizeOf(a))
		if row, ok := e.ino.Member(); !ok {
			if _, ok := e.ino.Key(); ok {
				n += a.Size
			}
		} else if k, ok := m.sparseOf(row); ok {
			p.inodes[i] = m.at.sparse + int64(k)*sparseUnit
			continue
		} else if a.Size > 0 {
			n += chunkSize
		}
		if n > BlockSize {
			return false
		}
		at := roundUp(p.used, inodeUnit)
		if at/BlockSize != (at+n-1)/BlockSize {
			at = roundUp(at, BlockSize)
		}
		if at >= BlockSize && at < BlockSize+blocks {
			at = BlockSize + blocks
		}
		p.inodes[i] = start + at
		if p.used = at + n; p.used > slot {
			return false
		}
	}
	p.used = max(p.used, BlockSize*min(blocks, 1)+blocks)
	return p.used <= slot
}

// chooseSlot returns a size of slots that is enough for most directories: the most that some of them need, without the
// few that need far more.
func (m *Image) chooseSlot() int64 {
	const some = 64
	var used []int64
	for i := range some {
		if d := index.Dir(1 + i*(m.x.Dirs()-1)/some); int(d) < m.x.Dirs() && m.isSmallDir(d) {
			if p := m.plan(m.list(d), maxSlot); p.inSlot {
				used = append(used, p.used)
			}
		}
	}
	if len(used) == 0 {
		return BlockSize
	}
	slices.Sort(used)
	limit := 4 * used[len(used)/2]
	n := sort.Search(len(used), func(i int) bool { return used[i] > limit })
	return roundUp(used[n-1], BlockSize)
}

// fillSlot writes the slot of a directory.
func (m *Image) fillSlot(ctx context.Context, i int64, b []byte) error {
	d := index.Dir(i)
	if d == index.Root {
		return nil // its inode is in the head
	}
	p := m.plan(m.list(d), m.slot)
	if err := m.verify(ctx, p.sample); err != nil {
		return err
	}
	if err := m.putDir(b, p); err != nil || !p.inSlot {
		return err
	}
	start := m.dirAt(d)
	if !p.inline {
		for k := range p.blocks() {
			if err := m.putBlock(b[p.entries-start+k*BlockSize:][:BlockSize], p, k); err != nil {
				return err
			}
		}
	}
	for i, e := range p.own {
		place := p.inodes[i]
		if e.ino.IsDir() || place < start || place >= start+m.slot {
			continue
		}
		at := b[place-start:]
		row, ok := e.ino.Member()
		if ok {
			if err := m.putMember(at, place, row, p.attrs[i]); err != nil {
				return err
			}
			continue
		}
		if number, ok := e.ino.Key(); ok {
			copy(m.put(at, place, inode{Attr: p.attrs[i], layout: layoutInline}), m.x.Key(number))
		} else {
			m.putSource(at, place, p.attrs[i])
		}
	}
	return nil
}

// putSource writes the inode of a file __source__. Each has its own, as a hard link would show in copies, but the text is
// at one place.
func (m *Image) putSource(b []byte, place int64, a view.Attr) {
	m.put(b, place, inode{Attr: a, where: uint32(m.at.source / BlockSize)})
}

// putDir writes the inode of a directory, and its entries if they are inline.
func (m *Image) putDir(b []byte, p *plan) error {
	n := inode{Attr: p.attr, layout: layoutInline}
	n.Size = int64(p.size)
	if !p.inline {
		n.layout, n.Size, n.where = layoutBlocks, p.blocks()*BlockSize, uint32(p.entries/BlockSize)
	}
	rest := m.put(b, m.dirAt(p.dir), n)
	if !p.inline {
		return nil
	}
	return m.putEntries(rest[:p.size], p.listing, p.inodes, 0, p.listing.entries())
}

// putBlock writes the k-th block of the entries of a directory.
func (m *Image) putBlock(b []byte, p *plan, k int64) error {
	per := p.perBlock()
	from := int(k) * per
	return m.putEntries(b, p.listing, p.inodes, from, min(from+per, p.listing.entries()))
}
