package index

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Open returns a reader of the content of the entry in a row; plain reads the plain shard. Holes read as zeros. Open
// calls Check first. The reader is safe for concurrent use if plain is.
func (x *Index) Open(row int, plain io.ReaderAt) (*io.SectionReader, error) {
	if err := x.Check(row, plain); err != nil {
		return nil, err
	}
	data, size := x.Content(row)
	if i, ok := x.c.sparseRow.find(uint64(row)); ok {
		plain, data = newSparseReader(plain, data, x.extents(i), size), 0
	}
	return io.NewSectionReader(plain, data, size), nil
}

// Check compares the entry in a row of an index from a file with its headers in the plain shard, the first time it is
// called for that row. The error wraps ErrStale if they differ, or is a read error of plain. For an index that was
// built, Check does nothing; for one that is provisional, see [Builder.Provisional].
func (x *Index) Check(row int, plain io.ReaderAt) error {
	f := x.pages
	if f == nil {
		return nil
	}
	if row < 0 || row >= x.Rows() {
		f.corrupt()
		return x.Err()
	}
	word, bit := row/64, uint64(1)<<(row%64)
	if f.used[word].Load()&bit != 0 {
		return nil
	}
	ok, err := x.compare(row, plain)
	if err != nil {
		return err
	}
	if ok && x.IsProvisional() && row == x.Rows()-1 {
		err = x.checkRest(plain)
	}
	if !ok {
		f.fail(fmt.Errorf("%w: it does not match member %d of the shard", ErrStale, row))
	}
	if err := cmp.Or(x.Err(), err); err != nil {
		return err
	}
	f.used[word].Or(bit)
	return nil
}

// compare reports whether the headers of an entry agree with the index. Its errors are read errors.
func (x *Index) compare(row int, plain io.ReaderAt) (bool, error) {
	m := x.Member(row)
	if m.Header < 0 || m.End <= m.Header {
		return false, nil
	}
	buf := x.pages.buffers.Get().(*[]byte)
	defer x.pages.buffers.Put(buf)
	in := io.NewSectionReader(plain, m.Header, m.End-m.Header)
	headers := min(max(m.Data-m.Header, BlockSize), minChunk) // no content, which may not be in memory yet
	s := Scanner{in: input{r: in, seeker: in, length: m.End - m.Header, store: *buf, chunk: int(headers)}}
	e, keyed, err := x.described(&s, m.End-m.Header)
	switch {
	case err == io.EOF, contradicts(err):
		return false, nil
	case err != nil:
		// The Scanner counts members from this one on, so its number is wrong.
		return false, fmt.Errorf("headers of member %d: %w", row, errors.Unwrap(err))
	}
	name := []byte(x.OutsideName(row))
	var extents []Extent
	if i, ok := x.c.sparseRow.find(uint64(row)); ok {
		extents = x.extents(i)
	}
	if m.InSample {
		name = fmt.Appendf(name, "%s.%s", x.Key(x.SampleOfRow(row)), m.Ext)
	}
	same := m.InSample == keyed && bytes.Equal(name, e.Name) &&
		e.Data == m.Data-m.Header && e.Size == m.Size && e.End == m.End-m.Header
	if x.IsProvisional() {
		return same && e.Regular && e.Sparse == nil, nil
	}
	return same && e.ModTime.Equal(m.ModTime) && e.Mode == m.Mode && slices.Equal(e.Sparse, extents), nil
}
