package index

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sync/atomic"

	"github.com/shardfs/shardfs/internal/codec"
)

// ErrStale means that an index file has another version, is damaged or does not fit the shard. The remedy is always to
// rebuild the index.
var ErrStale = errors.New("unusable index file")

// File is the content of an index file: an index, and everything else that is needed to read its shard.
type File struct {
	Origin   Origin       `json:"origin"`
	Format   codec.Format `json:"format"`
	Trailing int64        `json:"trailing,omitempty"` // bytes after the compressed data
	Second   int64        `json:"second,omitempty"`   // where another tar begins after the end marker; 0: none
	Cut      string       `json:"cut,omitempty"`      // why samples at the end are missing; "" if none are
	Map      codec.Map    `json:"-"`                  // checkpoints of a compressed shard; of a plain one only the size
	Index    *Index       `json:"-"`
}

// An index file has the magic, the columns, each starting at a multiple of 8 bytes, and then
//
//	meta     JSON: the fields of File, the seed of the hash table, and size and piece of the Map
//	sections for each column of numbers, of the index and then of the checkpoints: offset, bytes, values (u64 each);
//	         for each column of bytes: offset, bytes, 0. Columns of far times are only in the files that need them
//	sums     CRC-32C of each 64 KiB of the columns
//	tail     offset of meta, of sections, of sums and of the tail (u64 each), CRC-32C of all from meta to here, magic
//
// with all numbers little-endian, as they are in memory on every machine that shardfs runs on. Opening a file reads
// only the parts after the columns, 1/16 000 of the file.
//
// The package comment has the history of versions.
const (
	magicPrefix = "shardfs index " // then the version, one digit, and a newline
	fileMagic   = magicPrefix + "2\n"
	tailSize    = 4*8 + 4 + len(fileMagic)
	sectionSize = 3 * 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// IsFile reports whether r, of size bytes, is an index file of any version, possibly truncated. It reads a few bytes,
// and returns false if they cannot be read.
func IsFile(r io.ReaderAt, size int64) bool {
	for _, at := range []int64{0, size - int64(len(fileMagic))} {
		b := make([]byte, len(magicPrefix))
		if n, _ := r.ReadAt(b, max(at, 0)); string(b[:n]) == magicPrefix {
			return true
		}
	}
	return false
}

// meta is the JSON in an index file.
type meta struct {
	File
	Seed  uint64 `json:"seed"`
	Plain int64  `json:"plain"`
	Piece int64  `json:"piece"`
	Order *Order `json:"order,omitempty"` // nil in older files
}

// Write writes the index file. Equal Files give equal bytes, except for the seed of an index that was not
// canonicalized.
func (f *File) Write(w io.Writer) error {
	order := f.Index.Order()
	m := meta{File: *f, Seed: f.Index.seed, Plain: f.Map.Plain, Piece: f.Map.Piece, Order: &order}
	js, err := json.Marshal(m)
	if err != nil {
		return err
	}
	out := &pageWriter{w: w}
	out.write([]byte(fileMagic)) // at the front, too, so that IsFile recognizes a truncated file
	var sections []byte
	section := func(values int, parts ...[]byte) {
		start := out.n
		for _, b := range parts {
			out.write(b)
		}
		for _, v := range []int64{start, out.n - start, int64(values)} {
			sections = binary.LittleEndian.AppendUint64(sections, uint64(v))
		}
		out.write(make([]byte, -out.n&7))
	}
	set := columnsOf(f)
	if f.Index.c.far.row.n == 0 {
		set = set.withoutFar()
	}
	for _, c := range set.numbers {
		section(c.n, memory(c.groups), memory(c.rests))
	}
	for _, t := range set.texts {
		section(0, t.b)
	}
	out.endPage()
	if out.err != nil {
		return out.err
	}
	end := js
	tail := binary.LittleEndian.AppendUint64(nil, uint64(out.n))
	tail = binary.LittleEndian.AppendUint64(tail, uint64(out.n)+uint64(len(end)))
	end = append(end, sections...)
	tail = binary.LittleEndian.AppendUint64(tail, uint64(out.n)+uint64(len(end)))
	end = append(end, out.sums...)
	tail = binary.LittleEndian.AppendUint64(tail, uint64(out.n)+uint64(len(end)))
	end = append(end, tail...)
	end = binary.LittleEndian.AppendUint32(end, crc32.Checksum(end, castagnoli))
	_, err = w.Write(append(end, fileMagic...))
	return err
}

// pageWriter computes the checksums of pages.
type pageWriter struct {
	w    io.Writer
	n    int64 // bytes written so far
	sum  uint32
	sums []byte
	err  error
}

func (w *pageWriter) write(b []byte) {
	for len(b) > 0 && w.err == nil {
		n := min(len(b), pageSize-int(w.n%pageSize))
		_, w.err = w.w.Write(b[:n])
		w.sum = crc32.Update(w.sum, castagnoli, b[:n])
		w.n += int64(n)
		if w.n%pageSize == 0 {
			w.sums = binary.LittleEndian.AppendUint32(w.sums, w.sum)
			w.sum = 0
		}
		b = b[n:]
	}
}

func (w *pageWriter) endPage() {
	if w.n%pageSize != 0 {
		w.sums = binary.LittleEndian.AppendUint32(w.sums, w.sum)
	}
}

// fileParts are the parts of an index file.
type fileParts struct {
	columns, meta, sections, sums []byte
}

// splitFile finds the parts of an index file, and verifies all except the columns.
func splitFile(b []byte) (p fileParts, err error) {
	if len(b) < tailSize || string(b[len(b)-len(fileMagic):]) != fileMagic {
		return p, fmt.Errorf("%w: not an index of this version", ErrStale)
	}
	tail := b[len(b)-tailSize:]
	var at [5]uint64 // offsets of meta, sections, sums and tail, and the end of the tail
	for i := range 4 {
		at[i] = binary.LittleEndian.Uint64(tail[8*i:])
	}
	at[4] = uint64(len(b) - tailSize)
	if !slices.IsSorted(at[:]) || at[3] != at[4] {
		return p, fmt.Errorf("%w: its parts are not inside it", ErrStale)
	}
	if crc32.Checksum(b[at[0]:len(b)-len(fileMagic)-4], castagnoli) != binary.LittleEndian.Uint32(tail[4*8:]) {
		return p, fmt.Errorf("%w: wrong checksum", ErrStale)
	}
	p = fileParts{b[:at[0]:at[0]], b[at[0]:at[1]], b[at[1]:at[2]], b[at[2]:at[3]]}
	if len(p.sums) != 4*((len(p.columns)+pageSize-1)/pageSize) {
		return p, fmt.Errorf("%w: checksums are missing", ErrStale)
	}
	return p, nil
}

// VerifyEnd reads what Decode reads of an index file of size bytes: the parts after the columns. It returns an error that
// wraps ErrStale if they are damaged, or if the file is not an index file.
func VerifyEnd(r io.ReaderAt, size int64) error {
	tail := make([]byte, max(0, min(int64(tailSize), size)))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return err
	}
	if len(tail) < tailSize || string(tail[tailSize-len(fileMagic):]) != fileMagic {
		return fmt.Errorf("%w: not an index of this version", ErrStale)
	}
	start := int64(binary.LittleEndian.Uint64(tail))
	end := size - 4 - int64(len(fileMagic))
	if start < 0 || start > end {
		return fmt.Errorf("%w: its parts are not inside it", ErrStale)
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(r, start, end-start)); err != nil {
		return err
	}
	if sum.Sum32() != binary.LittleEndian.Uint32(tail[4*8:]) {
		return fmt.Errorf("%w: wrong checksum", ErrStale)
	}
	return nil
}

// Decode decodes the index file in b. The result shares memory with b, which must start at a multiple of 8, as mapped
// and allocated memory does, and must not change. Damage in the columns is found when they are read: the goroutine that
// finds it then calls rebuild, at most once, to index the shard again. Errors of Decode wrap ErrStale.
func Decode(b []byte, rebuild func() (*File, error)) (*File, error) {
	parts, err := splitFile(b)
	if err != nil {
		return nil, err
	}
	var m meta
	if err := json.Unmarshal(parts.meta, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	x, p := &Index{seed: m.Seed, order: m.Order}, new(checkpoints)
	x.pages = newPages(parts.columns, parts.sums, func() (columnSet, error) {
		f, err := rebuild()
		if err != nil {
			return columnSet{}, err
		}
		f.Index.reseed(m.Seed)
		return columnsOf(f), nil
	})
	set := newColumnSet(x, p)
	if err := set.decode(parts, x.pages); err != nil {
		return nil, err
	}
	if !x.fits() || !p.fits() {
		return nil, fmt.Errorf("%w: its columns contradict one another", ErrStale)
	}
	x.closed = x.Rows()
	x.pages.used = make([]atomic.Uint64, x.Rows()/64+1)
	f := m.File
	f.Index, f.Map = x, codec.Map{Plain: m.Plain, Piece: m.Piece, Points: p}
	return &f, nil
}

// columnSet has all columns of an index file, in order.
type columnSet struct {
	numbers []*column
	texts   []*text
}

// columnsOf returns the columns of an index file to write.
func columnsOf(f *File) columnSet {
	f.Index.needTable()
	return newColumnSet(f.Index, packCheckpoints(f.Map.Points))
}

func newColumnSet(x *Index, p *checkpoints) columnSet {
	return columnSet{
		slices.Concat(x.c.numbers(), p.numbers(), x.c.far.numbers()), append(x.c.texts(), &p.windows.all),
	}
}

// withoutFar returns the set without the last columns of numbers, those of far times.
func (set columnSet) withoutFar() columnSet {
	far := len((&farTimes{}).numbers())
	return columnSet{set.numbers[:len(set.numbers)-far], set.texts}
}

// decode sets the columns from the sections.
func (set columnSet) decode(parts fileParts, pages *pages) error {
	columns, sections := parts.columns, parts.sections
	if near := set.withoutFar(); len(sections) == (len(near.numbers)+len(near.texts))*sectionSize {
		set = near
	}
	if len(sections) != (len(set.numbers)+len(set.texts))*sectionSize {
		return fmt.Errorf("%w: not the columns of this version", ErrStale)
	}
	for i := range len(set.numbers) + len(set.texts) {
		offset, length := binary.LittleEndian.Uint64(sections), binary.LittleEndian.Uint64(sections[8:])
		values := binary.LittleEndian.Uint64(sections[16:])
		sections = sections[sectionSize:]
		if offset%8 != 0 || offset > uint64(len(columns)) || length > uint64(len(columns))-offset {
			return fmt.Errorf("%w: column %d is not inside it", ErrStale, i)
		}
		part := columns[offset : offset+length]
		if i >= len(set.numbers) {
			id := i - len(set.numbers)
			*set.texts[id] = text{b: part, pages: pages, id: id, at: int(offset)}
			continue
		}
		heads := (values + groupLen - 1) / groupLen * uint64(groupSize)
		if values > math.MaxInt64/2 || heads > length || length%8 != 0 {
			return fmt.Errorf("%w: column %d is too short", ErrStale, i)
		}
		*set.numbers[i] = column{
			n: int(values), groups: numbers[group](part[:heads]), rests: numbers[uint64](part[heads:]),
			pages: pages, id: i, at: int(offset),
		}
	}
	return nil
}

// fits reports whether the lengths of the columns agree.
func (x *Index) fits() bool {
	c := &x.c
	same := func(n int, columns ...*column) bool {
		return !slices.ContainsFunc(columns, func(c *column) bool { return c.n != n })
	}
	return same(c.rows(), &c.mtime, &c.blocks, &c.mode, &c.ext) && c.header.n == c.rows()+1 &&
		same(c.first.n, &c.dir) && c.first.n <= c.rows() &&
		same(c.parent.n, &c.names.ends, &c.sample, &c.child, &c.sibling) &&
		c.parent.n > 0 && c.parent.n < math.MaxUint32 &&
		c.table.n > 0 && c.table.n&(c.table.n-1) == 0 &&
		same(c.outsideRow.n, &c.outside.ends) && same(c.keyRow.n, &c.keys.ends) && same(c.dupRow.n, &c.dupOrdinal) &&
		same(c.sparseRow.n, &c.sparseEnd) && same(c.extentOff.n, &c.extentLen) &&
		same(c.far.row.n, &c.far.seconds, &c.far.nanos)
}

// Verify reads the whole index file and returns an error that wraps ErrStale if a checksum is wrong, or if a column
// that must be ascending is not. Without it, a forged file could make a program visit the same rows again and again. An
// index that was built, not decoded, is always valid.
func (f *File) Verify() error {
	c := &f.Index.c
	ascending := []*column{
		&c.header, &c.first, &c.exts.ends, &c.names.ends, &c.outside.ends, &c.keys.ends,
		&c.outsideRow, &c.keyRow, &c.dupRow, &c.sparseRow, &c.sparseEnd,
		&c.far.row,
	}
	if p, ok := f.Map.Points.(*checkpoints); ok {
		ascending = append(ascending, &p.out, &p.in, &p.windows.ends, &p.sumEnd)
	}
	if !f.Index.pages.verifyAll() || slices.ContainsFunc(ascending, func(c *column) bool { return !c.ascends() }) {
		return fmt.Errorf("%w: damaged", ErrStale)
	}
	return nil
}
