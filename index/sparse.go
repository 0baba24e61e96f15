package index

import (
	"fmt"
	"io"
	"sort"
)

// Extent is a run of stored bytes of a sparse member. Off is an offset in the content; bytes between extents are zeros.
type Extent struct{ Off, Len int64 }

// end returns where the hole after an extent starts.
func (e Extent) end() int64 { return e.Off + e.Len }

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
