package index

import (
	"math"
	"slices"
)

// none marks the absence of a row or of an entry in a dictionary.
const none = ^uint32(0)

// columns is an index as it lies in memory and, column after column, in a file. All columns are in tar order.
//
// The directories of the view form a tree in rows: row 0 is the root, and each row names its parent, its first child and
// its next sibling, so that a listing walks the rows and sorts nothing.
type columns struct {
	// A row for each tar entry.
	header  []uint64 // where its headers start; one more row than entries: the last is where the end marker starts
	size    []uint64 // bytes of content
	mtime   []int64  // nanoseconds since 1970
	blocks  []uint16 // of its headers, so that header + blocks*512 is where the content starts
	mode    []uint16
	ext     []uint32 // extension of a sample's member; none: the entry belongs to no sample
	extEnd  []uint32 // ends of the extensions in extText
	extText []byte

	// A row for each sample.
	first []uint32 // its first member's row
	dir   []uint32 // its directory's row

	// A row for each directory.
	parent  []uint32
	nameEnd []uint32 // end of its name in names
	names   []byte
	sample  []uint32 // the sample it shows; none: it only leads to others
	child   []uint32 // its first child
	sibling []uint32 // its parent's next child
	table   []uint32 // hash table of the rows by parent and name; a power of two long, none where free

	// Exceptions, in ascending order of rows: few in ordinary shards.
	otherRow  []uint32 // entries that belong to no sample
	otherEnd  []uint32 // ends of their names in otherText
	otherText []byte
	keyRow    []uint32 // samples whose path does not tell their key
	keyEnd    []uint32
	keyText   []byte
	againRow  []uint32 // members whose extension came before in their sample
	againNth  []uint32 // which of them it is, from 2
}

// text returns the i-th of the strings that lie one behind another in b.
func text(b []byte, end []uint32, i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = end[i-1]
	}
	return b[start:end[i]]
}

// hash returns where the search for a directory begins in the table, before reduction to its length. (FNV-1a.)
func hash[S []byte | string](parent uint32, name S) uint32 {
	h := uint64(14695981039346656037)
	for range 4 {
		h = (h ^ uint64(parent&0xff)) * 1099511628211
		parent >>= 8
	}
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return uint32(h ^ h>>32)
}

// lookup returns the row of a directory by its parent's row and its name.
func lookup[S []byte | string](c *columns, parent uint32, name S) (row uint32, ok bool) {
	mask := uint32(len(c.table) - 1)
	for i := hash(parent, name) & mask; ; i = (i + 1) & mask {
		row := c.table[i]
		if row == none {
			return none, false
		}
		if c.parent[row] == parent && string(text(c.names, c.nameEnd, int(row))) == string(name) {
			return row, true
		}
	}
}

// consistent reports whether no number in the columns points outside them and no walk along them is endless. It is true
// of every index that was built; one from a file has to prove it.
func (c *columns) consistent() bool {
	rows, samples, dirs := len(c.size), len(c.first), len(c.parent)
	return len(c.header) == rows+1 && len(c.mtime) == rows && len(c.blocks) == rows && len(c.mode) == rows &&
		len(c.ext) == rows && len(c.dir) == samples &&
		dirs > 0 && len(c.sample) == dirs && len(c.child) == dirs && len(c.sibling) == dirs &&
		isText(c.extText, c.extEnd, len(c.extEnd)) && isText(c.names, c.nameEnd, dirs) &&
		isText(c.otherText, c.otherEnd, len(c.otherRow)) && isText(c.keyText, c.keyEnd, len(c.keyRow)) &&
		len(c.againNth) == len(c.againRow) &&
		pointInto(c.ext, len(c.extEnd)) && pointInto(c.sample, samples) && pointInto(c.table, dirs) &&
		!slices.Contains(c.dir, none) && pointInto(c.dir, dirs) &&
		len(c.table)&(len(c.table)-1) == 0 && slices.Contains(c.table, none) &&
		c.rowsFollow() && c.samplesFollow() && c.dirsFollow()
}

// isText reports whether ends divides text into n strings.
func isText(text []byte, ends []uint32, n int) bool {
	return len(ends) == n && slices.IsSorted(ends) && (n == 0 || int(ends[n-1]) <= len(text))
}

// pointInto reports whether all numbers in a column are none or those of rows of a table of n rows.
func pointInto(column []uint32, n int) bool {
	for _, row := range column {
		if row != none && int(row) >= n {
			return false
		}
	}
	return true
}

// rowsFollow reports whether each entry lies behind the one before, with room for its headers and its content.
func (c *columns) rowsFollow() bool {
	for row, size := range c.size {
		room := c.header[row+1] - c.header[row]
		if c.header[row+1] > math.MaxInt64 || c.header[row] > c.header[row+1] ||
			size > room || uint64(c.blocks[row])*BlockSize > room-size {
			return false
		}
	}
	return c.header[0] <= math.MaxInt64
}

// samplesFollow reports whether the samples begin one behind the other, each with a member.
func (c *columns) samplesFollow() bool {
	for i, row := range c.first {
		if int(row) >= len(c.ext) || c.ext[row] == none || i > 0 && row <= c.first[i-1] {
			return false
		}
	}
	return true
}

// dirsFollow reports whether directories come behind their parents, and siblings behind one another.
func (c *columns) dirsFollow() bool {
	isNext := func(row, before, parent uint32) bool {
		return row == none || row > before && int(row) < len(c.parent) && c.parent[row] == parent
	}
	for i, parent := range c.parent {
		row := uint32(i)
		if i > 0 && parent >= row || !isNext(c.child[i], row, row) || !isNext(c.sibling[i], row, parent) {
			return false
		}
	}
	return true
}
