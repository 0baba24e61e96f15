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

// ErrStale says that an index file is not one of this version, is damaged or does not fit the shard. The answer is always
// to index again.
var ErrStale = errors.New("unusable index file")

// Origin tells from which bytes an index was built. Two equal origins of local files are the same unchanged file.
type Origin struct {
	Size    int64  `json:"size"`  // of the shard as it is stored
	ModTime int64  `json:"mtime"` // nanoseconds since 1970
	Inode   uint64 `json:"inode"`
	Probe   string `json:"probe,omitempty"` // digest of some of the bytes, the same for every copy
}

// Same reports whether two origins are of the same unchanged file. The probes tell what was written in its place by whoever
// has put its time back.
func (o Origin) Same(p Origin) bool {
	return o.Size == p.Size && o.ModTime == p.ModTime && o.Inode == p.Inode &&
		(o.Probe == p.Probe || o.Probe == "" || p.Probe == "")
}

// Copy reports whether two origins are of files that are copies of each other, as far as their size and probes tell.
func (o Origin) Copy(p Origin) bool {
	return o.Size == p.Size && o.Probe != "" && o.Probe == p.Probe
}

// Saved is an index and what else is needed to read its shard, as they are kept in an index file.
type Saved struct {
	Origin   Origin       `json:"origin"`
	Format   codec.Format `json:"format"`
	Trailing int64        `json:"trailing,omitempty"` // bytes behind the compressed data that are not part of it
	Cut      string       `json:"cut,omitempty"`      // why the index holds only the samples before some place; "" where it is whole
	Map      codec.Map    `json:"-"`                  // of a compressed shard; else only the plain size
	Index    *Index       `json:"-"`
}

// An index file holds the magic, the columns, each beginning at a multiple of 8 bytes, and then
//
//	meta     JSON
//	sections for each column of numbers, of the index and then of the checkpoints: offset, bytes, values (u64 each);
//	         for each column of bytes: offset, bytes, 0
//	sums     CRC-32C of each 64 KiB of the columns
//	tail     offset of meta, of sections, of sums and of the tail (u64 each), CRC-32C of all from meta to here, magic
//
// with all numbers little-endian, as they are in memory on every machine that shardfs runs on. To open it, only what is
// behind the columns is read: 1/16 000 of it.
const (
	fileMagic   = "shardfs index 2\n"
	tailSize    = 4*8 + 4 + len(fileMagic)
	sectionSize = 3 * 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// meta is the JSON in an index file.
type meta struct {
	Saved
	Seed  uint64 `json:"seed"`
	Plain int64  `json:"plain"`
	Piece int64  `json:"piece"`
}

// checkpoints are the checkpoints of a shard as columns.
type checkpoints struct {
	out, in column
	start   column // Bit, plus memberStart
	windows texts
	sumEnd  column // end of its sums in sums
	sums    column
}

const memberStart = 8

func (p *checkpoints) numbers() []*column {
	return []*column{&p.out, &p.in, &p.start, &p.windows.ends, &p.sumEnd, &p.sums}
}

// Write writes the index file.
func (f *Saved) Write(w io.Writer) error {
	m := meta{Saved: *f, Seed: f.Index.seed, Plain: f.Map.Plain, Piece: f.Map.Piece}
	js, err := json.Marshal(m)
	if err != nil {
		return err
	}
	p := packCheckpoints(f.Map.Points)
	out := &pageWriter{w: w}
	out.write([]byte(fileMagic)) // here too: a file that was cut is still known for what it was
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
	for _, c := range append(f.Index.c.numbers(), p.numbers()...) {
		section(c.n, memory(c.groups), memory(c.rests))
	}
	for _, t := range append(f.Index.c.texts(), &p.windows.all) {
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
	n    int64 // bytes so far
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

// Decode returns the index file that b holds. The result shares memory with b, which must start at a multiple of 8, as
// mapped and allocated memory does, and must not change. What is damaged in it is found when it is looked at; anew, which
// is called at most once and by whoever comes upon it, makes the index from the shard again.
func Decode(b []byte, anew func() (*Saved, error)) (*Saved, error) {
	if len(b) < tailSize || string(b[len(b)-len(fileMagic):]) != fileMagic {
		return nil, fmt.Errorf("%w: not an index of this version", ErrStale)
	}
	tail := b[len(b)-tailSize:]
	var at [5]uint64 // where meta, sections, sums and the tail begin, and where they should end
	for i := range 4 {
		at[i] = binary.LittleEndian.Uint64(tail[8*i:])
	}
	at[4] = uint64(len(b) - tailSize)
	if !slices.IsSorted(at[:]) || at[3] != at[4] {
		return nil, fmt.Errorf("%w: its parts lie outside of it", ErrStale)
	}
	if crc32.Checksum(b[at[0]:len(b)-len(fileMagic)-4], castagnoli) != binary.LittleEndian.Uint32(tail[4*8:]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrStale)
	}
	var m meta
	if err := json.Unmarshal(b[at[0]:at[1]], &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	columns, sections, sums := b[:at[0]:at[0]], b[at[1]:at[2]], b[at[2]:at[3]]
	if len(sums) != 4*((len(columns)+pageSize-1)/pageSize) {
		return nil, fmt.Errorf("%w: checksums are missing", ErrStale)
	}
	x, p := &Index{seed: m.Seed}, new(checkpoints)
	x.file = newFile(columns, sums, func() (made, error) {
		s, err := anew()
		if err != nil {
			return made{}, err
		}
		s.Index.reseed(m.Seed)
		return madeOf(s), nil
	})
	list := made{append(x.c.numbers(), p.numbers()...), append(x.c.texts(), &p.windows.all)}
	if len(sections) != (len(list.numbers)+len(list.texts))*sectionSize {
		return nil, fmt.Errorf("%w: not the columns of this version", ErrStale)
	}
	for i := range len(list.numbers) + len(list.texts) {
		offset, length := binary.LittleEndian.Uint64(sections), binary.LittleEndian.Uint64(sections[8:])
		values := binary.LittleEndian.Uint64(sections[16:])
		sections = sections[sectionSize:]
		if offset%8 != 0 || offset > uint64(len(columns)) || length > uint64(len(columns))-offset {
			return nil, fmt.Errorf("%w: column %d lies outside of it", ErrStale, i)
		}
		part := columns[offset : offset+length]
		if i >= len(list.numbers) {
			id := i - len(list.numbers)
			*list.texts[id] = text{b: part, file: x.file, id: id, at: int(offset)}
			continue
		}
		heads := (values + groupLen - 1) / groupLen * uint64(groupSize)
		if values > math.MaxInt64/2 || heads > length || length%8 != 0 {
			return nil, fmt.Errorf("%w: column %d is too short", ErrStale, i)
		}
		*list.numbers[i] = column{
			n: int(values), groups: numbers[group](part[:heads]), rests: numbers[uint64](part[heads:]),
			file: x.file, id: i, at: int(offset),
		}
	}
	if !x.fits() || !p.fits() {
		return nil, fmt.Errorf("%w: its columns contradict one another", ErrStale)
	}
	x.closed = x.Rows()
	x.file.used = make([]atomic.Uint64, x.Rows()/64+1)
	f := m.Saved
	f.Index, f.Map = x, codec.Map{Plain: m.Plain, Piece: m.Piece, Points: p}
	return &f, nil
}

// made are the columns of an index in the order of an index file.
type made struct {
	numbers []*column
	texts   []*text
}

func madeOf(f *Saved) made {
	p := packCheckpoints(f.Map.Points)
	return made{append(f.Index.c.numbers(), p.numbers()...), append(f.Index.c.texts(), &p.windows.all)}
}

// fits reports whether the columns are of lengths that go together.
func (x *Index) fits() bool {
	c := &x.c
	same := func(n int, columns ...*column) bool {
		return !slices.ContainsFunc(columns, func(c *column) bool { return c.n != n })
	}
	return same(c.rows(), &c.mtime, &c.blocks, &c.mode, &c.ext) && c.header.n == c.rows()+1 &&
		same(c.first.n, &c.dir) && c.first.n <= c.rows() &&
		same(c.parent.n, &c.names.ends, &c.sample, &c.child, &c.sibling) && c.parent.n > 0 && c.parent.n < math.MaxUint32 &&
		c.table.n > 0 && c.table.n&(c.table.n-1) == 0 &&
		same(c.otherRow.n, &c.others.ends) && same(c.keyRow.n, &c.keys.ends) && same(c.againRow.n, &c.againNth) &&
		same(c.sparseRow.n, &c.sparseEnd) && same(c.extentOff.n, &c.extentLen)
}

func (p *checkpoints) fits() bool {
	n := p.out.n
	return p.in.n == n && p.start.n == n && p.windows.ends.n == n && p.sumEnd.n == n
}

// Sound reports whether all of the index file is as it was written, and whether what cannot but ascend in it does. Whoever
// goes on with a file of which that is not known may be led over the same rows again and again.
func (f *Saved) Sound() bool {
	if !f.Index.file.allSound() {
		return false
	}
	c := &f.Index.c
	ascending := []*column{
		&c.header, &c.first, &c.exts.ends, &c.names.ends, &c.others.ends, &c.keys.ends,
		&c.otherRow, &c.keyRow, &c.againRow, &c.sparseRow, &c.sparseEnd,
	}
	if p, ok := f.Map.Points.(*checkpoints); ok {
		ascending = append(ascending, &p.out, &p.in, &p.windows.ends, &p.sumEnd)
	}
	return !slices.ContainsFunc(ascending, func(c *column) bool { return !c.ascends() })
}

func packCheckpoints(points codec.Points) *checkpoints {
	if p, ok := points.(*checkpoints); ok {
		return p
	}
	p := new(checkpoints)
	if points == nil {
		return p
	}
	for i := range points.Len() {
		cp := points.At(i)
		start := uint64(cp.State)
		if cp.Member {
			start |= memberStart
		}
		p.out.append(uint64(cp.Out))
		p.in.append(uint64(cp.In))
		p.start.append(start)
		p.windows.append(string(cp.Window))
		for _, sum := range cp.Sums {
			p.sums.append(uint64(sum))
		}
		p.sumEnd.append(uint64(p.sums.n))
	}
	for _, c := range p.numbers() {
		c.seal()
	}
	return p
}

// Len returns the number of checkpoints.
func (p *checkpoints) Len() int { return p.out.n }

// Out returns the plain offset of the i-th checkpoint.
func (p *checkpoints) Out(i int) int64 { return int64(p.out.get(i)) }

// At returns the i-th checkpoint.
func (p *checkpoints) At(i int) codec.Checkpoint {
	start := p.start.get(i)
	cp := codec.Checkpoint{
		Out: int64(p.out.get(i)), In: int64(p.in.get(i)), State: uint8(start & 7), Member: start&memberStart != 0,
	}
	if w := p.windows.get(i); len(w) > 0 {
		cp.Window = w
	}
	at, end := 0, int(p.sumEnd.get(i))
	if i > 0 {
		at = int(p.sumEnd.get(i - 1))
	}
	if at < 0 || at > end || end > p.sums.n {
		p.sums.file.outside()
		return cp
	}
	for ; at < end; at++ {
		cp.Sums = append(cp.Sums, uint32(p.sums.get(at)))
	}
	return cp
}
