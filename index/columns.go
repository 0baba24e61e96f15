package index

// columns are the columns of an index, in memory and, one after the other, in an index file. All are in tar order.
//
// The directories of the view form a tree in rows: row 0 is the root, and each row names its parent, its first child
// and its next sibling, so that a listing walks the rows and sorts nothing. 0 means no child, no sibling or a free
// place in the table, because the root cannot be any of these.
type columns struct {
	// A row for each tar entry.
	header column // offset of its headers; has one more row, with the offset of the end marker
	size   column // bytes of content
	mtime  column // nanoseconds since 1970; far has those that do not fit
	blocks column // number of header blocks: the content starts at header + blocks*512
	mode   column
	ext    column // row of the extension in exts, plus 1; 0 for an entry outside samples
	exts   texts  // extensions

	// A row for each sample.
	first column // row of its first member
	dir   column // row of its directory

	// A row for each directory.
	parent  column
	names   texts
	sample  column // number of its sample, plus 1; 0 if it has only subdirectories
	child   column // its first child
	sibling column // next child of its parent
	table   column // hash table of rows by parent and name; its length is a power of two

	// Exceptions, in ascending order of rows. Ordinary shards have few.
	outsideRow column // entries outside samples
	outside    texts  // their names
	keyRow     column // samples whose path differs from their key
	keys       texts
	dupRow     column // members with the extension of an earlier member of their sample
	dupOrdinal column // number among the members with that extension, counted from 1, so at least 2
	sparseRow  column // entries with holes
	sparseEnd  column // end of their extents in extentOff and extentLen
	extentOff  column
	extentLen  column
	far        farTimes
}

// numbers returns the columns of numbers except far, in the order of an index file.
func (c *columns) numbers() []*column {
	return []*column{
		&c.header, &c.size, &c.mtime, &c.blocks, &c.mode, &c.ext, &c.exts.ends,
		&c.first, &c.dir,
		&c.parent, &c.names.ends, &c.sample, &c.child, &c.sibling, &c.table,
		&c.outsideRow, &c.outside.ends, &c.keyRow, &c.keys.ends, &c.dupRow, &c.dupOrdinal,
		&c.sparseRow, &c.sparseEnd, &c.extentOff, &c.extentLen,
	}
}

// texts returns all columns of bytes, in the order of an index file.
func (c *columns) texts() []*text {
	return []*text{&c.exts.all, &c.names.all, &c.outside.all, &c.keys.all}
}

// rows returns the number of tar entries.
func (c *columns) rows() int { return c.size.n }
