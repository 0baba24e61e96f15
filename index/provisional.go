package index

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// Provisional returns the index of the added entries as another tool has described them, in place of Finish. Only name,
// place and size of an entry need be right, and entries outside samples may be missing: Check compares no more, and
// passes what is between two members. After the last one, at offset end, it does the same up to the end of the tar, which
// has size bytes.
//
// Such an index lacks members that the tool has left out, until a member after them is used. It must not be written to
// a file.
func (b *Builder) Provisional(end, size int64) *Index {
	x := b.Finish(end)
	x.pages = newPages(nil, nil, nil) // its columns are in memory, so there is nothing to repair
	x.pages.provisional, x.pages.size = true, size
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
		keyed = e.keyed()
		if keyed || e.End >= end || !x.IsProvisional() {
			return e, keyed, nil
		}
	}
}

// keyed reports whether an entry is one of a sample.
func (e *Entry) keyed() bool {
	_, _, ok := MemberKey(string(e.Name))
	return ok && e.Regular
}

// checkRest reads what follows the last member of a provisional index: entries outside samples, and the end marker.
func (x *Index) checkRest(plain io.ReaderAt) error {
	s := NewScanner(io.NewSectionReader(plain, x.End(), x.pages.size-x.End()))
	for {
		e, err := s.Next()
		switch {
		case err == io.EOF:
			return nil
		case err == nil && e.keyed(), contradicts(err):
			return x.fail(fmt.Errorf("%w: it ends at byte %d, where the shard does not", ErrStale, x.End()))
		case err != nil:
			return fmt.Errorf("after the last member: %w", errors.Unwrap(err))
		}
	}
}

// contradicts reports whether an error of a Scanner means that there is something else than headers.
func contradicts(err error) bool {
	return errors.Is(err, ErrNotTar) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrTruncated)
}
