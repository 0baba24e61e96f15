package index

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unsafe"
)

// ErrTooLarge says that a shard has more members, or longer names, than an index can count.
var ErrTooLarge = errors.New("shard too large to index")

// Build reads a whole plain tar and returns its index. Where r is an [io.Seeker], content is skipped and not read.
//
// At a tar that is cut short or damaged, Build returns the error together with an index of the whole samples before that
// place. A sample that is open there is among them only if the header of another one's member still came: else what would
// have followed is not known.
func Build(r io.Reader) (*Index, error) {
	s := NewScanner(r)
	var b Builder
	var end int64 // of the last entry
	for {
		if len(b.c.header) == sampled {
			b.reserve(s.in.length)
		}
		e, err := s.Next()
		if err == io.EOF {
			return b.Finish(s.End())
		}
		if err != nil {
			if s.zeroes == 0 && !b.closedBy(s) {
				end = b.dropOpen(end)
			}
			x, finishErr := b.Finish(end)
			return x, errors.Join(err, finishErr)
		}
		if err := b.Add(e); err != nil {
			return nil, err
		}
		end = e.End
	}
}

// sampled is after how many entries the number of all is estimated.
const sampled = 4096

// reserve makes room for as many entries as a tar of this length will have if it goes on as it began. Columns that grow by
// copying would at times need twice the memory; room that is not used costs none.
func (b *Builder) reserve(length int64) {
	c := &b.c
	const most = 1 << 26
	now := int64(len(c.header))
	n := int(min(length/(int64(c.header[now-1])/now), most) - now)
	if n <= 0 {
		return
	}
	c.header, c.size, c.mtime = slices.Grow(c.header, n), slices.Grow(c.size, n), slices.Grow(c.mtime, n)
	c.blocks, c.mode, c.ext = slices.Grow(c.blocks, n), slices.Grow(c.mode, n), slices.Grow(c.ext, n)
	samples := len(c.first)
	if samples == 0 {
		return
	}
	n = n / int(now) * samples
	c.first, c.dir = slices.Grow(c.first, n), slices.Grow(c.dir, n)
	c.parent, c.nameEnd, c.sample = slices.Grow(c.parent, n), slices.Grow(c.nameEnd, n), slices.Grow(c.sample, n)
	c.child, c.sibling, b.last = slices.Grow(c.child, n), slices.Grow(c.sibling, n), slices.Grow(b.last, n)
	c.names = slices.Grow(c.names, len(c.names)/samples*n)
}

// Builder makes an Index from the entries of a tar, added in order. The zero value is ready for use.
type Builder struct {
	c       columns
	extIDs  map[string]uint32
	open    bool              // a sample has begun
	key     string            // of the open sample
	start   uint32            // row of its first member
	exts    map[uint32]uint32 // how often each extension occurs in it, once it has many members
	prefix  string            // of the last sample's key: its directory
	parent  uint32            // that directory's row
	natural bool              // that directory's path is the prefix itself
	last    []uint32          // last child of each directory; none: no child
	wanted  map[uint32]int    // how many samples wanted a directory's name, for those that more than one did
}

// Add adds the next entry. It fails with ErrTooLarge, and never otherwise.
func (b *Builder) Add(e *Entry) error {
	c := &b.c
	row := len(c.header)
	blocks := (e.Data - e.Header) / BlockSize
	if blocks > math.MaxUint16 || row >= math.MaxUint32-1 ||
		max(len(c.names), len(c.otherText), len(c.keyText), len(c.extText))+2*len(e.Name)+2*maxName > math.MaxUint32 {
		return fmt.Errorf("%w: member %d", ErrTooLarge, row)
	}
	c.header = append(c.header, uint64(e.Header))
	c.size = append(c.size, uint64(e.Size))
	c.mtime = append(c.mtime, e.ModTime)
	c.blocks = append(c.blocks, uint16(blocks))
	c.mode = append(c.mode, e.Mode)

	// A view of the bytes, not a copy: a million of those would be half the time and a quarter of the memory.
	name := unsafe.String(unsafe.SliceData(e.Name), len(e.Name))
	key, ext, ok := MemberKey(name)
	if !ok || !e.Regular {
		c.ext = append(c.ext, none)
		c.otherRow = append(c.otherRow, uint32(row))
		c.otherText = append(c.otherText, name...)
		c.otherEnd = append(c.otherEnd, uint32(len(c.otherText)))
		return nil
	}
	if !b.open || key != b.key {
		b.close()
		b.open, b.key, b.start = true, strings.Clone(key), uint32(row)
	}
	id := b.extID(ext)
	if nth := b.countExt(id); nth > 1 {
		c.againRow = append(c.againRow, uint32(row))
		c.againNth = append(c.againNth, nth)
	}
	c.ext = append(c.ext, id)
	return nil
}

// Finish returns the index of the entries added, whose tar has its end marker at offset end.
func (b *Builder) Finish(end int64) (*Index, error) {
	b.close()
	if len(b.last) == 0 {
		b.addDir(none, "") // the root of an empty view
	}
	b.c.header = append(b.c.header, uint64(end))
	return &Index{c: b.c}, nil
}

// closedBy reports whether the entry in whose content the scanner stopped begins another sample than the open one, which
// is whole then.
func (b *Builder) closedBy(s *Scanner) bool {
	if s.count == len(b.c.header) {
		return false // it stopped before the header said so
	}
	key, _, ok := MemberKey(string(s.entry.Name))
	return ok && s.entry.Regular && key != b.key
}

// dropOpen removes the open sample and what came behind it. It returns where the entries that are left end, which is at
// end if no sample is open.
func (b *Builder) dropOpen(end int64) int64 {
	if !b.open {
		return end
	}
	end = int64(b.c.header[b.start])
	b.open = false
	b.c.cut(b.start)
	return end
}

// extID returns the number of an extension, a new one if need be.
func (b *Builder) extID(ext string) uint32 {
	id, ok := b.extIDs[ext]
	if !ok {
		if b.extIDs == nil {
			b.extIDs = make(map[string]uint32)
		}
		id = uint32(len(b.c.extEnd))
		b.extIDs[strings.Clone(ext)] = id
		b.c.extText = append(b.c.extText, ext...)
		b.c.extEnd = append(b.c.extEnd, uint32(len(b.c.extText)))
	}
	return id
}

// countExt counts one more member with this extension in the open sample and returns how many there are now.
func (b *Builder) countExt(id uint32) uint32 {
	members := b.c.ext[b.start:]
	const few = 32
	if len(members) < few {
		nth := uint32(1)
		for _, other := range members {
			if other == id {
				nth++
			}
		}
		return nth
	}
	if b.exts == nil {
		b.exts = make(map[uint32]uint32)
		for _, other := range members {
			b.exts[other]++
		}
	}
	b.exts[id]++
	return b.exts[id]
}

// close gives the open sample its row and its place in the view.
func (b *Builder) close() {
	if !b.open {
		return
	}
	b.open, b.exts = false, nil
	if len(b.last) == 0 {
		b.addDir(none, "")
		b.natural = true
	}
	slash := strings.LastIndexByte(b.key, '/') + 1
	if prefix := b.key[:slash]; prefix != b.prefix {
		b.prefix = prefix
		b.parent, b.natural = b.enter(prefix)
	}
	c := &b.c
	sample := uint32(len(c.first))
	component := b.key[slash:]
	name := escape(component, slash > 0)
	dir := b.place(b.parent, name)
	if !b.natural || string(text(c.names, c.nameEnd, int(dir))) != component {
		c.keyRow = append(c.keyRow, sample)
		c.keyText = append(c.keyText, b.key...)
		c.keyEnd = append(c.keyEnd, uint32(len(c.keyText)))
	}
	c.sample[dir] = sample
	c.dir = append(c.dir, dir)
	c.first = append(c.first, b.start)
}

// enter returns the row of the directory for the part of a key up to its last slash, and whether every name on the way
// is the component itself.
func (b *Builder) enter(prefix string) (dir uint32, natural bool) {
	natural = true
	for depth := 0; prefix != ""; depth++ {
		component, rest, _ := strings.Cut(prefix, "/")
		name := escape(component, depth > 0)
		natural = natural && name == component
		next, ok := b.find(dir, name)
		if !ok {
			next = b.addDir(dir, name)
		}
		dir, prefix = next, rest
	}
	return dir, natural
}

// place returns the row of a directory without a sample: the one of that name or, where an earlier sample has it, one
// with the first number that is free.
func (b *Builder) place(parent uint32, name string) uint32 {
	dir, ok := b.find(parent, name)
	if !ok {
		return b.addDir(parent, name)
	}
	if b.c.sample[dir] == none {
		return dir
	}
	if b.wanted == nil {
		b.wanted = make(map[uint32]int)
	}
	n := max(b.wanted[dir], 1) + 1
	for ; ; n++ {
		if _, taken := b.find(parent, numbered(name, n)); !taken {
			break
		}
	}
	b.wanted[dir] = n
	return b.addDir(parent, numbered(name, n))
}

func (b *Builder) find(parent uint32, name string) (uint32, bool) {
	return lookup(&b.c, parent, name)
}

// addDir adds a directory as the last child of its parent.
func (b *Builder) addDir(parent uint32, name string) uint32 {
	c := &b.c
	row := uint32(len(c.parent))
	c.parent = append(c.parent, parent)
	c.names = append(c.names, name...)
	c.nameEnd = append(c.nameEnd, uint32(len(c.names)))
	c.sample = append(c.sample, none)
	c.child = append(c.child, none)
	c.sibling = append(c.sibling, none)
	b.last = append(b.last, none)
	if parent != none {
		if before := b.last[parent]; before == none {
			c.child[parent] = row
		} else {
			c.sibling[before] = row
		}
		b.last[parent] = row
	}
	if 4*len(c.parent) > 3*len(c.table) {
		c.rehash(max(2*len(c.table), 16))
	} else {
		c.enter(row)
	}
	return row
}

// rehash makes a hash table of the given length, a power of two, for all directories.
func (c *columns) rehash(length int) {
	c.table = make([]uint32, length)
	for i := range c.table {
		c.table[i] = none
	}
	for row := range c.parent {
		c.enter(uint32(row))
	}
}

// enter puts a directory into the hash table, which has room.
func (c *columns) enter(row uint32) {
	mask := uint32(len(c.table) - 1)
	i := hash(c.parent[row], text(c.names, c.nameEnd, int(row))) & mask
	for c.table[i] != none {
		i = (i + 1) & mask
	}
	c.table[i] = row
}

// cut removes the entries from a row on.
func (c *columns) cut(row uint32) {
	c.header, c.size, c.mtime = c.header[:row], c.size[:row], c.mtime[:row]
	c.blocks, c.mode, c.ext = c.blocks[:row], c.mode[:row], c.ext[:row]
	for n := len(c.otherRow); n > 0 && c.otherRow[n-1] >= row; n-- {
		c.otherRow, c.otherEnd = c.otherRow[:n-1], c.otherEnd[:n-1]
	}
	for n := len(c.againRow); n > 0 && c.againRow[n-1] >= row; n-- {
		c.againRow, c.againNth = c.againRow[:n-1], c.againNth[:n-1]
	}
}
