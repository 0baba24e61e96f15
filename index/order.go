package index

import "bytes"

// Order describes the names of an index's directories, for those who show each directory sorted by names.
type Order struct {
	Flat      bool `json:"flat"`      // all directories are in the root
	Ascending bool `json:"ascending"` // in each directory, the names of its directories ascend by their bytes
	Longest   int  `json:"longest"`   // bytes of the longest name
}

// Order returns the order of the directories. If the index file does not have it, all names are read, some 10 ns each.
func (x *Index) Order() Order {
	if x.order != nil {
		return *x.order
	}
	o := Order{Flat: x.c.parent.isZero()}
	o.Ascending, o.Longest = x.names(1, x.Dirs(), true)
	return o
}

// Subdirs describes the directories in d: the row of the first and, if they are in consecutive rows, their number and
// whether their names ascend. Longest is the length of the longest name then. It returns false if other directories are
// between them.
func (x *Index) Subdirs(d Dir) (first Dir, n, longest int, ascending, ok bool) {
	first, ok = x.FirstChild(d)
	if !ok {
		return 0, 0, 0, true, true
	}
	var parents [groupLen]uint64
	end := int(first)
	for more := true; more && end < x.Dirs(); {
		start := end / groupLen * groupLen
		group := parents[:min(groupLen, x.Dirs()-start)]
		x.c.parent.fill(start, group)
		for more && end < start+len(group) {
			if more = group[end-start] == uint64(d); more {
				end++
			}
		}
	}
	if end == int(first) {
		return 0, 0, 0, false, false // the index file is false
	}
	if _, further := x.Sibling(Dir(end - 1)); further {
		return first, 0, 0, false, false
	}
	ascending, longest = x.names(int(first), end, false)
	return first, end - int(first), longest, ascending, true
}

// names returns the length of the longest name of the directories in a range of rows, and whether each name is less than
// the next: that of its sibling or, if the rows are all siblings, that of the row after it.
func (x *Index) names(from, to int, apart bool) (ascending bool, longest int) {
	var ends, next [groupLen]uint64
	ascending = true
	var last []byte
	after := 0 // row that last must be less than
	for start := from / groupLen * groupLen; start < to; start += groupLen {
		n := min(groupLen, x.Dirs()-start)
		x.c.names.ends.fill(start, ends[:n])
		if apart && ascending {
			x.c.sibling.fill(start, next[:n])
		}
		base := uint64(0)
		if start > 0 {
			base = x.c.names.ends.get(start - 1)
		}
		all := x.c.names.all.slice(base, ends[n-1]) // one check of checksums for all of them
		begin := uint64(0)
		for i, end := range ends[:n] {
			if end -= base; end < begin || end > uint64(len(all)) {
				x.pages.corrupt()
				return ascending, longest
			}
			row, name := start+i, all[begin:end]
			begin = end
			if row < from || row >= to {
				continue
			}
			longest = max(longest, len(name))
			if !ascending {
				continue
			}
			if after == row && row > from {
				ascending = bytes.Compare(last, name) < 0
			}
			last, after = name, row+1
			if apart {
				after = int(next[i])
			}
			if after != row+1 && after != 0 {
				ascending = ascending && after > row && bytes.Compare(name, x.c.names.get(after)) < 0
			}
		}
	}
	return ascending, longest
}

// isZero reports whether all values are 0, without reading each.
func (c *column) isZero() bool {
	from := 0
	if c.raw == nil && (c.pages == nil || c.pages.verifyRange(c.at, len(c.groups)*groupSize)) {
		for i := range c.groups {
			if h := &c.groups[i]; h.base != 0 || h.unit != 0 { // the unit of equal values is 0
				return false
			}
		}
		from = len(c.groups) * groupLen
	}
	for row := from; row < c.n; row++ {
		if c.get(row) != 0 {
			return false
		}
	}
	return true
}
