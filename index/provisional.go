package index

import "sync/atomic"

// Provisional returns the index of the added entries as another tool has described them, in place of Finish. Only name,
// place and size of an entry need be right, and entries outside samples may be missing: Check compares no more, and
// passes what is between two members. It also compares the end of the tar, at offset end, with the last one.
//
// Such an index lacks members that the tool has left out, until a member after them is used. It must not be written to
// a file.
func (b *Builder) Provisional(end int64) *Index {
	x := b.Finish(end)
	x.pages = newPages(nil, nil, nil) // its columns are in memory, so there is nothing to repair
	x.pages.provisional = true
	x.pages.used = make([]atomic.Uint64, x.Rows()/64+1)
	return x
}

// IsProvisional reports whether an index is from [Builder.Provisional].
func (x *Index) IsProvisional() bool { return x.pages != nil && x.pages.provisional }

// described returns the next entry, and whether it is one of a sample. Of a provisional index it passes entries outside
// samples, until one that ends at end.
func (x *Index) described(s *Scanner, end int64) (e *Entry, keyed bool, err error) {
	for {
		if e, err = s.Next(); err != nil {
			return nil, false, err
		}
		_, _, keyed = MemberKey(string(e.Name))
		keyed = keyed && e.Regular
		if keyed || e.End >= end || !x.IsProvisional() {
			return e, keyed, nil
		}
	}
}
