package index

import "bytes"

// Order describes the names of an index's directories, for those who show each directory sorted by names.
type Order struct {
	Flat      bool // all directories are in the root
	Ascending bool // in each directory, the names of its directories ascend by their bytes
	Longest   int  // bytes of the longest name, or more
}

// Order returns the order of the directories. It reads all names, some 10 ns each, so the caller should keep the result.
func (x *Index) Order() Order {
	o := Order{Flat: x.c.parent.isZero()}
	if !o.Flat {
		o.Ascending, o.Longest = x.nestedNames()
		return o
	}
	o.Ascending, o.Longest = x.c.names.ascend(1)
	return o
}

// nestedNames returns Ascending and Longest of an Order.
func (x *Index) nestedNames() (ascending bool, longest int) {
	ascending = true
	for row := 1; row < x.Dirs(); row++ {
		name := x.c.names.get(row)
		longest = max(longest, len(name))
		if !ascending {
			continue
		}
		if next, ok := x.Sibling(Dir(row)); ok {
			ascending = bytes.Compare(name, x.c.names.get(int(next))) < 0
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

// ascend reports whether the strings from a row on ascend, none equal to the one before, and returns the length of the
// longest of them.
func (t *texts) ascend(from int) (ascending bool, longest int) {
	ascending = true
	var last []byte
	var ends [groupLen]uint64
	start := uint64(0)
	for row := 0; row < t.ends.n; row += groupLen {
		group := ends[:min(groupLen, t.ends.n-row)]
		t.ends.fill(row, group)
		all := t.all.slice(start, group[len(group)-1]) // one check of checksums for all of them
		base := start
		for i, end := range group {
			if end < start || end-base > uint64(len(all)) {
				t.all.pages.corrupt()
				return ascending, longest
			}
			if s := all[start-base : end-base]; row+i >= from {
				longest = max(longest, len(s))
				ascending = ascending && (row+i == from || bytes.Compare(last, s) < 0)
				last = s
			}
			start = end
		}
	}
	return ascending, longest
}
