package index

import (
	"errors"
	"fmt"
	"io"
)

// Covers returns an error that wraps ErrStale unless the rows of an index from a file cover the shard: they begin at its
// first byte, each begins where the one before it ends, the members of samples are in samples, and the end marker
// follows. Plain reads the plain shard. If tail is not set, the end marker is not read.
//
// That the headers agree with the rows is left to Check, when a member is used: only together they show that no member
// is missing.
func (x *Index) Covers(plain io.ReaderAt, tail bool) error {
	if why := x.gap(); why != "" {
		return fmt.Errorf("%w: %s", ErrStale, why)
	}
	if !tail {
		return x.Err()
	}
	return errors.Join(x.CheckEnd(plain), x.Err())
}

// CheckEnd compares the end of an index from a file with the plain shard: both blocks of the end marker must be there.
// For an index that was built, it does nothing.
func (x *Index) CheckEnd(plain io.ReaderAt) error {
	if x.pages == nil {
		return nil
	}
	marker := make([]byte, 2*BlockSize)
	n, err := plain.ReadAt(marker, x.End())
	if n < len(marker) && !errors.Is(err, io.EOF) {
		return err
	}
	for _, b := range marker[:n] {
		if b != 0 {
			n = 0
		}
	}
	if n < len(marker) {
		return x.fail(fmt.Errorf("%w: it ends at byte %d, where the shard does not", ErrStale, x.End()))
	}
	return nil
}

// fail records why the index file is false, and returns the first such reason.
func (x *Index) fail(err error) error {
	x.pages.fail(err)
	return x.Err()
}

// gap returns where the rows do not cover the shard; "" if they do. It adds up the lengths of the entries, and compares
// with the offsets once for each group: half of the work, and a row that is missing is noticed all the same.
func (x *Index) gap() string {
	c := &x.c
	var size, blocks [groupLen]uint64
	next, sparse, keyed := uint64(0), 0, x.firstKeyed()
	for from := 0; from < x.Rows(); from += groupLen {
		if at := c.header.get(from); at != next {
			return fmt.Sprintf("row %d begins at byte %d, not at %d", from, at, next)
		}
		n := min(groupLen, x.Rows()-from)
		c.size.fill(from, size[:n])
		c.blocks.fill(from, blocks[:n])
		for ; sparse < c.sparseRow.n && c.sparseRow.get(sparse) < uint64(from+n); sparse++ {
			stored := int64(0)
			for _, e := range x.extents(sparse) {
				stored += e.Len
			}
			size[c.sparseRow.get(sparse)%groupLen] = uint64(stored)
		}
		sum := uint64(0)
		for i, stored := range size[:n] {
			sum += blocks[i] + (stored+BlockSize-1)/BlockSize
		}
		next += sum * BlockSize
	}
	switch {
	case uint64(x.End()) != next:
		return fmt.Sprintf("its rows end at byte %d, not at %d", x.End(), next)
	case keyed != x.Rows() && (x.Samples() == 0 || x.c.first.get(0) != uint64(keyed)):
		return fmt.Sprintf("row %d is in no sample", keyed)
	}
	return ""
}

// firstKeyed returns the first row of a member of a sample; the number of rows if there is none.
func (x *Index) firstKeyed() int {
	row := 0
	for row < x.Rows() && !x.InSample(row) {
		row++
	}
	return row
}
