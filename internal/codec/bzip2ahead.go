package codec

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// bzip2Ahead is the input of a bzip2Decoder that decodes blocks before the decoder comes to them, several at the same
// time. To find them it looks for the bits with which blocks begin. Data can have the same bits by chance or by intent,
// so all of it is a guess: the decoder asks for the block at the place to which it has come, and decodes itself what is
// not here. So plain bytes, places and errors are those of the decoder alone.
//
// Each block is decoded by a goroutine that reads only memory, and ends soon.
type bzip2Ahead struct {
	r     io.Reader
	err   error  // of r
	buf   []byte // compressed bytes from off on
	off   int64
	pos   int64         // compressed offset of the next byte for Read
	place int64         // of the last take
	limit int           // most blocks to decode ahead
	depth int           // how many of them now; it grows, so that the first blocks come soon
	tasks []*bzip2Task  // in order
	idle  []*bzip2Block // for the next ones
	scan  bzip2Scan
	begin int64 // place of the block after the last border that the scan has found; -1: there is none
}

// bzip2Task is a block that is decoded ahead. Places are bits, counted from the start of the shard.
type bzip2Task struct {
	place int64 // of its data, after the checksum
	level byte
	block *bzip2Block
	done  chan struct{} // closed when the fields below are set
	end   int64         // place after its data; -1 if they are not sound
}

// maxBlocksAhead is how many blocks are decoded ahead at most.
const maxBlocksAhead = 8

// bzip2Memory is how many bytes of memory a block takes at most, compressed and plain.
const bzip2Memory = 11 << 20

// newBzip2Ahead returns the input of a decoder, which begins at the compressed offset off of r.
func newBzip2Ahead(r io.Reader, off int64, workers int) *bzip2Ahead {
	return &bzip2Ahead{
		r: r, off: off, pos: off, place: off * 8,
		limit: min(workers+1, maxBlocksAhead), depth: 1,
		scan: newBzip2Scan(), begin: -1,
	}
}

// Read implements io.Reader for the decoder.
func (a *bzip2Ahead) Read(p []byte) (int, error) {
	if a.pos == a.off+int64(len(a.buf)) && !a.more() {
		return 0, a.err
	}
	n := copy(p, a.buf[a.pos-a.off:])
	a.pos += int64(n)
	return n, nil
}

// more adds bytes to buf, and drops those that the decoder has passed. It keeps what the decoder may have read in vain.
func (a *bzip2Ahead) more() bool {
	keep := max(a.place/8, a.pos-inputBuffer-8)
	if drop := int(keep - a.off); drop > len(a.buf)/2 {
		a.buf, a.off = append(a.buf[:0], a.buf[drop:]...), keep
	}
	a.buf = slices.Grow(a.buf, inputBuffer)
	for empty := 0; a.err == nil; empty++ {
		var n int
		n, a.err = a.r.Read(a.buf[len(a.buf) : len(a.buf)+inputBuffer])
		a.buf = a.buf[:len(a.buf)+n]
		if n > 0 {
			return true
		}
		if a.err == nil && empty == 100 {
			a.err = io.ErrNoProgress
		}
	}
	return false
}

// take returns the decoded block whose data are at a place, and where they end; nil if the decoder must decode them
// itself. The block last is no longer used.
func (a *bzip2Ahead) take(place int64, level byte, last *bzip2Block) (block *bzip2Block, end int64) {
	a.place = place
	for len(a.tasks) > 0 && a.tasks[0].place < place {
		a.drop()
	}
	a.idle = append(a.idle, last)
	if place > a.scan.from {
		a.scan.from, a.begin = place, place
	}
	for len(a.tasks) < a.depth && a.scan.at-place/8 < int64(a.depth+4)<<20 {
		if !a.next(level) && !a.more() {
			break
		}
	}
	a.depth = min(a.depth+1, a.limit)
	if len(a.tasks) == 0 || a.tasks[0].place != place {
		return nil, 0
	}
	t := a.tasks[0]
	<-t.done
	if t.end < 0 || t.level != level {
		return nil, 0
	}
	a.tasks = a.tasks[1:]
	return t.block, t.end
}

// seek makes in, which reads from a, go to a place that take has returned.
func (a *bzip2Ahead) seek(in *bitInput, place int64) {
	if !in.seek(place) {
		a.pos = place / 8
		in.reset(a, a.pos)
		in.take(uint(place % 8))
	}
}

// spare returns a block that is not used.
func (a *bzip2Ahead) spare() *bzip2Block {
	n := len(a.idle)
	if n == 0 {
		return new(bzip2Block)
	}
	block := a.idle[n-1]
	a.idle = a.idle[:n-1]
	return block
}

// drop forgets the first task, after its end.
func (a *bzip2Ahead) drop() {
	<-a.tasks[0].done
	a.idle = append(a.idle, a.tasks[0].block)
	a.tasks = a.tasks[1:]
}

// wait waits for all goroutines.
func (a *bzip2Ahead) wait() {
	for len(a.tasks) > 0 {
		a.drop()
	}
}

// next finds the next border in buf, and starts to decode the block before. It returns false if buf has no further one.
func (a *bzip2Ahead) next(level byte) bool {
	border, mark := a.scan.next(a.buf, a.off)
	if mark == 0 {
		return false
	}
	if from := a.begin/8 - a.off; a.begin >= 0 && from >= 0 && a.begin < border {
		a.start(a.begin, level, bytes.Clone(a.buf[from:(border+7)/8-a.off]))
	}
	a.begin = -1
	if mark == bzip2Begin {
		a.begin = border + 80
	}
	return true
}

// start starts to decode a block in data, whose first byte has the bit place.
func (a *bzip2Ahead) start(place int64, level byte, data []byte) {
	t := &bzip2Task{place: place, level: level, block: a.spare(), done: make(chan struct{}), end: -1}
	a.tasks = append(a.tasks, t)
	go func() {
		defer close(t.done)
		in := bitInput{buf: data, end: place/8 + int64(len(data)), err: io.EOF}
		in.take(uint(place % 8))
		if t.block.read(&in, level) == nil {
			off, bit := in.at()
			t.end = off*8 + int64(bit)
		}
	}()
}

// bzip2Scan finds the marks that begin a block or end a stream, at any bit.
//
// A mark that begins at any bit has five whole bytes, so one of four consecutive bytes begins a pair of them, and only
// each fourth byte is looked at.
type bzip2Scan struct {
	from  int64                // marks that begin at this bit or after it are to be found
	at    int64                // offset of the next byte to look at
	pairs [1 << 16 / 64]uint64 // a bit for each pair of whole bytes of a mark at any bit
}

func newBzip2Scan() (s bzip2Scan) {
	for _, mark := range []uint64{bzip2Begin, bzip2End} {
		for low := range 48 - 16 + 1 {
			pair := uint16(mark >> low)
			s.pairs[pair/64] |= 1 << (pair % 64)
		}
	}
	return s
}

// next returns the first mark in buf, whose first byte is at an offset, and its place. If there is none, mark is 0, and
// the next call goes on in a longer buf.
func (s *bzip2Scan) next(buf []byte, off int64) (place int64, mark uint64) {
	i := int(max(s.at, s.from/8) - off)
	for ; i+8 <= len(buf); i += 4 {
		pair := binary.BigEndian.Uint16(buf[i:])
		if s.pairs[pair/64]>>(pair%64)&1 == 0 {
			continue
		}
		for k := max(i-4, 0); k <= i; k++ {
			word := binary.BigEndian.Uint64(buf[k:])
			for bit := range 8 {
				mark, place = word<<bit>>16, (off+int64(k))*8+int64(bit)
				if (mark == bzip2Begin || mark == bzip2End) && place >= s.from {
					s.at, s.from = off+int64(i), place+48
					return place, mark
				}
			}
		}
	}
	s.at = off + int64(i)
	return 0, 0
}
