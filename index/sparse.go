package index

import (
	"fmt"
	"io"
	"iter"
	"sort"
)

// Extent is a run of stored bytes of a sparse member. Off is an offset in the content; bytes between extents are zeros.
type Extent struct{ Off, Len int64 }

// end returns where the hole after an extent starts.
func (e Extent) end() int64 { return e.Off + e.Len }

// HasHoles reports whether an entry has holes.
func (x *Index) HasHoles() bool { return x.c.sparseRow.n > 0 }

// SparseRows yields the rows of the entries with holes, in order.
func (x *Index) SparseRows() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range x.c.sparseRow.n {
			if !yield(int(x.c.sparseRow.get(i))) {
				return
			}
		}
	}
}

// Data returns the first run of stored bytes that ends after off in the content of the entry in a row; false if the
// rest of the content is a hole. Content without holes is one run.
func (x *Index) Data(row int, off int64) (Extent, bool) {
	_, size := x.Content(row)
	i, ok := x.c.sparseRow.find(uint64(row))
	if !ok {
		return Extent{0, size}, off < size
	}
	from, to := x.extentRange(i)
	n := from + sort.Search(to-from, func(k int) bool { return x.extent(from+k).end() > off })
	if n == to {
		return Extent{}, false
	}
	e := x.extent(n)
	return e, e.Off >= 0 && off < e.end() && e.end() <= size // else the index file is false
}

// extents returns the stored runs of bytes of the i-th entry with holes.
func (x *Index) extents(i int) []Extent {
	from, to := x.extentRange(i)
	list := make([]Extent, 0, to-from)
	for n := from; n < to; n++ {
		list = append(list, x.extent(n))
	}
	return list
}

// extent returns the n-th of the stored runs of all entries with holes.
func (x *Index) extent(n int) Extent {
	return Extent{int64(x.c.extentOff.get(n)), int64(x.c.extentLen.get(n))}
}

// extentRange returns the numbers of the stored runs of the i-th entry with holes: from to to-1.
func (x *Index) extentRange(i int) (from, to int) {
	to = int(x.c.sparseEnd.get(i))
	if i > 0 {
		from = int(x.c.sparseEnd.get(i - 1))
	}
	if from < 0 || from > to || to > x.c.extentOff.n {
		x.pages.corrupt()
		return 0, 0
	}
	return from, to
}

// newSparseReader returns a reader of the content of a sparse member, which has size bytes with its holes. Extents are
// ascending; their bytes are in stored one after the other, starting at offset base. The reader keeps extents. It is
// safe for concurrent use if stored is.
func newSparseReader(stored io.ReaderAt, base int64, extents []Extent, size int64) io.ReaderAt {
	r := &sparseReader{stored: stored, extents: extents, at: make([]int64, len(extents)), size: size}
	for i, e := range extents {
		r.at[i] = base
		base += e.Len
	}
	return r
}

type sparseReader struct {
	stored  io.ReaderAt
	extents []Extent
	at      []int64 // offset of each extent in stored
	size    int64
}

// start returns an offset in stored.
func (r *sparseReader) start() int64 {
	if len(r.at) == 0 {
		return 0
	}
	return r.at[0]
}

func (r *sparseReader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("%w: negative offset %d", errSparse, off)
	}
	if rest := max(r.size-off, 0); int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	i := sort.Search(len(r.extents), func(i int) bool { return r.extents[i].end() > off })
	for n < len(p) {
		at, left := off+int64(n), int64(len(p)-n)
		hole := left // bytes of the hole before the next extent
		if i < len(r.extents) {
			hole = min(left, r.extents[i].Off-at)
		}
		if hole > 0 {
			// Stored may be bound to a context, which must end reads of holes, too: one can be exabytes long.
			if _, err := r.stored.ReadAt(nil, r.start()); err != nil && err != io.EOF {
				return n, err
			}
			clear(p[n : n+int(hole)])
			n += int(hole)
			continue
		}
		e := r.extents[i]
		if e.end() <= at {
			return n, errSparse // not ascending
		}
		part := p[n : n+int(min(left, e.end()-at))]
		m, readErr := r.stored.ReadAt(part, r.at[i]+at-e.Off)
		n += m
		if m < len(part) {
			return n, unexpected(readErr)
		}
		i++
	}
	return n, err
}
