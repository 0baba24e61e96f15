package index

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"unsafe"
)

// ErrTooLarge means that a shard has more members than an index can count.
var ErrTooLarge = errors.New("shard too large to index")

// BuildOptions configures [Build] and [NewGrowing].
type BuildOptions struct {
	// OnSample, if not nil, is called for each sample, in order, with the offset of its first header in the plain
	// shard. Without Concurrent, it is called between reads of the shard, before any bytes after that header are used.
	OnSample func(header int64)

	// Concurrent reads the shard in a separate goroutine, ahead of the one that builds the index, which halves the time
	// for tiny members. That goroutine has ended when the build returns. Without it the caller's goroutine does both.
	Concurrent bool

	Tail *Tail // if not nil, set to what is after the end marker
}

// Build reads a whole plain tar and returns its index. If r is an [io.Seeker], content is skipped and not read.
//
// If the tar is cut short or damaged, Build returns the error together with an index of the whole samples before that
// place. The last sample is included only if a member of the next sample follows; otherwise it may be incomplete. The
// error wraps ErrNotTar, ErrDamaged, ErrTruncated, ErrTooLarge or a read error of r.
func Build(r io.Reader, o BuildOptions) (*Index, error) {
	b := Builder{onSample: o.OnSample, tail: o.Tail}
	s := NewScanner(r)
	end, err := addAll(s, b.Add, o.Concurrent)
	return b.conclude(s, end, err)
}

// addAll adds all entries of a tar. It returns where the last one ends, and why there are no more; nil at the end
// marker.
func addAll(s *Scanner, add func(*Entry) error, concurrent bool) (end int64, err error) {
	if concurrent {
		return addBatches(s, add)
	}
	for {
		e, err := s.Next()
		if err == io.EOF {
			return s.End(), nil
		}
		if err != nil {
			return end, err
		}
		if err := add(e); err != nil {
			return end, err
		}
		end = e.End
	}
}

// conclude returns the index after a scan that has ended at byte end with err, which may be nil.
func (b *Builder) conclude(s *Scanner, end int64, err error) (*Index, error) {
	if err != nil && s.zeroes == 0 && !b.closedBy(s) {
		end = b.dropOpen(end)
	}
	if err == nil && b.tail != nil {
		*b.tail, err = ReadTail(s.Rest(), s.End()+2*BlockSize)
	}
	return b.Finish(end), err
}

// Builder builds an Index from the entries of a tar, added in order. The zero value is ready for use. It takes about 5
// bytes of memory per member, and per sample 10 bytes and the key; 10 to 20 more once the names of a directory do not
// ascend, which needs a hash table. It is not safe for concurrent use.
type Builder struct {
	// onSample, if not nil, is called with the offset of the first header of each sample.
	onSample func(header int64)
	tail     *Tail // if not nil, it is set at the end

	x        *Index // nil before the first entry
	extIDs   map[string]uint64
	open     bool   // a sample has begun
	key      string // key of the open sample, in keyBytes
	keyBytes []byte
	start    int               // row of its first member
	exts     map[uint64]uint64 // count of each extension in it, once it has many members
	prefix   string            // directory part of the last sample's key
	parent   int               // that directory's row
	natural  bool              // that directory's path equals the prefix, so nothing was escaped
	last     column            // last child of each directory; 0: no child
	table    *table            // nil while the names in each directory ascend
	wanted   map[int]int       // by directory: the last number appended to its name for another sample
}

// Add adds the next entry, and keeps no reference to it. Its only error wraps ErrTooLarge.
func (b *Builder) Add(e *Entry) error {
	b.begin()
	c := &b.x.c
	row := c.rows()
	if row >= math.MaxUint32-1 || b.x.Dirs() >= math.MaxUint32-maxDepth {
		return fmt.Errorf("%w: member %d", ErrTooLarge, row)
	}
	// This does not copy: a million copies would take half of the time and a quarter of the memory.
	name := unsafe.String(unsafe.SliceData(e.Name), len(e.Name))
	key, ext, ok := MemberKey(name)
	ok = ok && e.Regular
	if ok && (!b.open || key != b.key) {
		b.close()
		b.keyBytes = append(b.keyBytes[:0], key...)
		b.open, b.key, b.start = true, unsafe.String(unsafe.SliceData(b.keyBytes), len(key)), row
		if b.onSample != nil {
			b.onSample(e.Header)
		}
	}
	c.header.append(uint64(e.Header))
	c.size.append(uint64(e.Size))
	c.addTime(e.ModTime)
	c.blocks.append(uint64((e.Data - e.Header) / BlockSize))
	c.mode.append(uint64(e.Mode))
	if e.Sparse != nil {
		for _, extent := range e.Sparse {
			c.extentOff.append(uint64(extent.Off))
			c.extentLen.append(uint64(extent.Len))
		}
		c.sparseRow.append(uint64(row))
		c.sparseEnd.append(uint64(c.extentOff.n))
	}
	if !ok {
		c.ext.append(0)
		c.outsideRow.append(uint64(row))
		c.outside.append(name)
		return nil
	}
	id := b.extID(ext)
	c.ext.append(id)
	if nth := b.countExt(id); nth > 1 {
		c.dupRow.append(uint64(row))
		c.dupOrdinal.append(nth)
	}
	return nil
}

// begin creates the index at the first call.
func (b *Builder) begin() {
	if b.x == nil {
		b.x = new(Index)
	}
}

// maxDepth is the largest number of directories in one key: the longest name fills an extended header.
const maxDepth = maxSpecial

// Finish returns the index of the added entries, for a tar with its end marker at offset end. The Builder must not be
// used afterwards.
func (b *Builder) Finish(end int64) *Index {
	b.begin()
	b.close()
	x := b.x
	if b.x.Dirs() == 0 {
		b.addDir(0, "") // the root of an empty view
	}
	x.c.header.append(uint64(end))
	x.closed = x.Rows()
	for _, column := range []*column{&x.c.sample, &x.c.child, &x.c.sibling} {
		column.settle(x.Dirs())
	}
	if b.table != nil {
		x.c.table.settle(x.c.table.n)
	}
	b.last, b.table = column{}, nil
	for _, column := range append(x.c.numbers(), x.c.far.numbers()...) {
		column.seal()
	}
	return x
}

// closedBy reports whether the open sample is complete, because the entry in whose content the scanner stopped begins
// another sample.
func (b *Builder) closedBy(s *Scanner) bool {
	if b.x == nil || s.count == b.x.c.rows() {
		return false // the scanner stopped in a header
	}
	key, _, ok := MemberKey(string(s.entry.Name))
	return ok && s.entry.Regular && key != b.key
}

// dropOpen removes the open sample and all rows after it. It returns where the remaining entries end; end if no sample
// is open.
func (b *Builder) dropOpen(end int64) int64 {
	if !b.open {
		return end
	}
	end = int64(b.x.c.header.get(b.start))
	b.open = false
	b.x.c.cut(b.start)
	return end
}

// extID returns the number of an extension, from 1. A new extension gets the next one.
func (b *Builder) extID(ext string) uint64 {
	id, ok := b.extIDs[ext]
	if !ok {
		if b.extIDs == nil {
			b.extIDs = make(map[string]uint64)
		}
		b.x.c.exts.append(ext)
		id = uint64(b.x.c.exts.ends.n)
		b.extIDs[strings.Clone(ext)] = id
	}
	return id
}

// countExt returns how many members of the open sample have this extension, including the one in the last row.
func (b *Builder) countExt(id uint64) (nth uint64) {
	const few = 32
	c := &b.x.c
	switch n := c.rows() - b.start; {
	case n <= few:
		for row := b.start; row < c.ext.n; row++ {
			if c.ext.get(row) == id {
				nth++
			}
		}
		return nth
	case b.exts == nil:
		b.exts = make(map[uint64]uint64)
		for row := b.start; row < c.ext.n-1; row++ {
			b.exts[c.ext.get(row)]++
		}
	}
	b.exts[id]++
	return b.exts[id]
}

// close gives the open sample its number and its directory in the view.
func (b *Builder) close() {
	c := &b.x.c
	b.x.closed = c.rows()
	if !b.open {
		return
	}
	b.open, b.exts = false, nil
	if b.x.Dirs() == 0 {
		b.addDir(0, "")
		b.natural = true
	}
	slash := strings.LastIndexByte(b.key, '/') + 1
	if prefix := b.key[:slash]; prefix != b.prefix {
		b.prefix = strings.Clone(prefix)
		b.parent, b.natural = b.enter(prefix)
	}
	component := b.key[slash:]
	name := escape(component, slash > 0)
	dir := b.place(b.parent, name)
	if !b.natural || string(c.names.get(dir)) != component {
		c.keyRow.append(uint64(c.first.n))
		c.keys.append(b.key)
	}
	c.dir.append(uint64(dir))
	c.first.append(uint64(b.start))
	c.sample.set(dir, uint32(c.first.n))
}

// enter returns the row of the directory for the part of a key up to its last slash, and whether every directory name
// on the way equals its component, unescaped.
func (b *Builder) enter(prefix string) (dir int, natural bool) {
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

// place returns the row of a directory for a sample: the directory with that name or, if an earlier sample has it, one
// with the first free number appended to the name.
func (b *Builder) place(parent int, name string) int {
	dir, ok := b.find(parent, name)
	if !ok {
		return b.addDir(parent, name)
	}
	if b.x.c.sample.get(dir) == 0 {
		return dir
	}
	if b.wanted == nil {
		b.wanted = make(map[int]int)
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

// find returns the row of a directory by its parent's row and its name. While the names in each directory ascend, only
// the last child can have that name; the first name that does not ascend needs the hash table.
func (b *Builder) find(parent int, name string) (row int, ok bool) {
	if b.table == nil {
		last := int(b.last.get(parent))
		if last == 0 {
			return 0, false
		}
		if before := b.x.c.names.get(last); string(before) <= name {
			return last, string(before) == name
		}
		b.table = newTable(b.x)
	}
	return b.table.find(b.x, parent, name)
}

// addDir adds a directory as the last child of its parent; the first one is the root.
func (b *Builder) addDir(parent int, name string) int {
	c := &b.x.c
	row := b.x.Dirs()
	c.parent.append(uint64(parent))
	c.names.append(name)
	if row == 0 {
		b.x.seed = rand.Uint64()
		return 0
	}
	if before := b.last.get(parent); before == 0 {
		c.child.set(parent, uint32(row))
	} else {
		c.sibling.set(int(before), uint32(row))
	}
	b.last.set(parent, uint32(row))
	if b.table != nil {
		b.table.add(hash(b.x.seed, uint64(parent), name))
	}
	return row
}

// cut removes the entries from a row on.
func (c *columns) cut(row int) {
	for _, column := range []*column{&c.header, &c.size, &c.mtime, &c.blocks, &c.mode, &c.ext} {
		column.cut(row)
	}
	n := c.outsideRow.search(uint64(row))
	c.outsideRow.cut(n)
	c.outside.cut(n)
	n = c.dupRow.search(uint64(row))
	c.dupRow.cut(n)
	c.dupOrdinal.cut(n)
	n = c.sparseRow.search(uint64(row))
	extents := uint64(0)
	if n > 0 {
		extents = c.sparseEnd.get(n - 1)
	}
	c.sparseRow.cut(n)
	c.sparseEnd.cut(n)
	c.far.cut(row)
	c.extentOff.cut(int(extents))
	c.extentLen.cut(int(extents))
}
