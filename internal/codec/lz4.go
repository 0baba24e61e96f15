package codec

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// lz4Decoder decodes LZ4 frames. If the blocks of a frame do not refer to each other, as with the command lz4, decoding
// can start at each of them, otherwise only at the frame. The decoder verifies the checksums of blocks, and the
// checksum and length of a frame that it decodes from its start, if the frame has them. Like lz4 itself it accepts only
// another frame after a frame.
//
// The State of a checkpoint at a block has the flags for blocks from the header of the frame; see lz4Frame.
type lz4Decoder struct {
	in    input
	offer func(Checkpoint)
	frame lz4Frame
	open  bool       // more of the frame follows
	point Checkpoint // at the next block; its Out is not set
	seen  bool       // a frame has begun, even one to be skipped
	whole bool       // the frame is decoded from its start
	plain uint64     // bytes of the frame so far
	sum   xxh32      // of those bytes
	src   []byte     // the block, compressed
	dst   []byte     // the bytes before a linked block, then the bytes of the block
	ready []byte     // part of dst that Read has not returned
	out   int64      // plain offset of the next byte
	err   error      // returned from all further calls of Read
}

// lz4Frame is the header of a frame.
type lz4Frame struct {
	linked   bool // blocks refer to the 64 KiB before them
	blockSum bool // a checksum follows each block
	frameSum bool // a checksum of the plain bytes follows the last block
	big      bool // blocks may be longer than 256 KiB
	hasSize  bool
	size     uint64 // number of plain bytes
}

const (
	lz4Magic      = 0x184d2204
	lz4Legacy     = 0x184c2102
	lz4Skippable  = 0x184d2a50 // the last four bits can be any
	lz4Window     = 64 << 10
	lz4HeaderSize = 4 + 2 + 8 + 4 + 1 // at most
)

func newLZ4Decoder(offer func(Checkpoint)) *lz4Decoder { return &lz4Decoder{offer: offer} }

// start implements decoder. A checkpoint is at a frame or at a block.
func (d *lz4Decoder) start(r io.Reader, c Checkpoint) error {
	d.in.reset(r, c.In)
	d.out, d.open, d.seen, d.ready, d.err = c.Out, false, false, nil, nil
	if c.Member || c.In == 0 {
		return nil
	}
	frame, err := c.lz4Header()
	if err != nil {
		d.err = locate(c.In, err)
		return d.err
	}
	d.frame = frame
	d.open, d.seen, d.whole = true, true, false
	return nil
}

// lz4Header decodes the State of a checkpoint at an lz4 block: the flags of its frame.
func (c Checkpoint) lz4Header() (lz4Frame, error) {
	if c.State > 7 {
		return lz4Frame{}, fmt.Errorf("checkpoint with lz4 flags %x", c.State)
	}
	return lz4Frame{blockSum: c.State&1 != 0, frameSum: c.State&2 != 0, big: c.State&4 != 0}, nil
}

// state encodes f for Checkpoint.lz4Header.
func (f *lz4Frame) state() (state uint8) {
	for i, set := range []bool{f.blockSum, f.frameSum, f.big} {
		if set {
			state |= 1 << i
		}
	}
	return state
}

// maxBlock returns the size limit of blocks of f in bytes.
func (f *lz4Frame) maxBlock() int {
	if f.big {
		return 4 << 20
	}
	return 256 << 10
}

// trailing implements decoder.
func (d *lz4Decoder) trailing() int64 { return 0 }

// Read returns plain bytes.
func (d *lz4Decoder) Read(p []byte) (int, error) {
	for len(d.ready) == 0 && d.err == nil {
		if d.open {
			d.err = d.readBlock()
		} else {
			d.err = d.openFrame()
		}
	}
	if len(d.ready) == 0 {
		return 0, d.err
	}
	n := copy(p, d.ready)
	d.ready = d.ready[n:]
	d.out += int64(n)
	return n, nil
}

// openFrame reads a header, or skips a frame that holds no data. It returns io.EOF after the last one.
func (d *lz4Decoder) openFrame() error {
	start := d.in.offset()
	head, err := d.in.br.Peek(lz4HeaderSize)
	if len(head) == 0 && err == io.EOF && d.seen {
		return io.EOF
	}
	if err != nil && err != io.EOF || len(head) < 4 {
		return locate(start, err)
	}
	switch magic := binary.LittleEndian.Uint32(head); {
	case magic == lz4Legacy:
		return locate(start, fmt.Errorf("%w: an lz4 frame of the legacy format", ErrLimit))
	case magic&^0xf == lz4Skippable && len(head) < 8:
		return locate(start, err)
	case magic&^0xf == lz4Skippable:
		d.seen = true
		if _, err := d.in.br.Discard(8 + int(binary.LittleEndian.Uint32(head[4:]))); err != nil {
			return locate(d.in.offset(), err)
		}
		return nil
	case magic != lz4Magic:
		return locate(start, damaged("no lz4 frame"))
	}
	frame, size, err := parseLZ4Header(head)
	if err != nil {
		return locate(start, err)
	}
	d.in.br.Discard(size)
	d.frame, d.open, d.seen, d.whole = frame, true, true, true
	d.plain, d.sum = 0, newXXH32()
	d.dst = d.dst[:0]
	d.point = Checkpoint{In: start, Member: true}
	return nil
}

// parseLZ4Header reads the header of a frame and returns its size in bytes.
func parseLZ4Header(head []byte) (f lz4Frame, size int, err error) {
	if len(head) < 6 {
		return f, 0, io.ErrUnexpectedEOF
	}
	flags, block := head[4], head[5]
	if flags>>6 != 1 || flags&2 != 0 || block&0x8f != 0 || block>>4 < 4 {
		return f, 0, fmt.Errorf("%w: lz4 frame with flags %02x%02x", ErrLimit, flags, block)
	}
	f = lz4Frame{
		linked:   flags&0x20 == 0,
		blockSum: flags&0x10 != 0,
		hasSize:  flags&8 != 0,
		frameSum: flags&4 != 0,
		big:      block>>4 > 5,
	}
	size = 6
	if f.hasSize {
		size += 8
	}
	if flags&1 != 0 {
		size += 4
	}
	if len(head) <= size {
		return f, 0, io.ErrUnexpectedEOF
	}
	if byte(sumXXH32(head[4:size])>>8) != head[size] {
		return f, 0, damaged("wrong checksum of an lz4 header")
	}
	if flags&1 != 0 {
		return f, 0, fmt.Errorf("%w: lz4 with a dictionary", ErrLimit)
	}
	if f.hasSize {
		f.size = binary.LittleEndian.Uint64(head[6:])
	}
	return f, size + 1, nil
}

// readBlock decodes the next block, or reads the end of the frame.
func (d *lz4Decoder) readBlock() error {
	start := d.in.offset()
	word, err := d.in.br.Peek(4)
	if err != nil {
		return locate(start, err)
	}
	head := binary.LittleEndian.Uint32(word)
	d.in.br.Discard(4)
	if head == 0 {
		d.open = false
		return d.closeFrame()
	}
	size, stored := int(head&^(1<<31)), head>>31 != 0
	if size > d.frame.maxBlock() {
		return locate(start, damaged("lz4 block of %d bytes", size))
	}
	if d.offer != nil && (d.point.Member || !d.frame.linked) {
		if !d.point.Member {
			d.point = Checkpoint{In: start, State: d.frame.state()}
		}
		d.point.Out = d.out
		d.offer(d.point)
	}
	d.point.Member = false

	if d.src, err = d.readFull(d.src, size); err != nil {
		return locate(d.in.offset(), err)
	}
	if d.frame.blockSum {
		sum, err := d.in.br.Peek(4)
		if err != nil {
			return locate(d.in.offset(), err)
		}
		if binary.LittleEndian.Uint32(sum) != sumXXH32(d.src) {
			return locate(start, damaged("wrong checksum of an lz4 block"))
		}
		d.in.br.Discard(4)
	}
	if err := d.decode(stored); err != nil {
		return locate(start, err)
	}
	if d.whole {
		d.plain += uint64(len(d.ready))
		if d.frame.frameSum {
			d.sum.add(d.ready)
		}
	}
	return nil
}

// readFull reads size bytes into b, which grows only as bytes arrive.
func (d *lz4Decoder) readFull(b []byte, size int) ([]byte, error) {
	const step = 256 << 10
	b = b[:0]
	for len(b) < size {
		n := min(step, size-len(b))
		b = slices.Grow(b, n)
		got, err := io.ReadFull(d.in.br, b[len(b):len(b)+n])
		if b = b[:len(b)+got]; err != nil {
			return b, err
		}
	}
	return b, nil
}

// decode decodes src and makes its plain bytes ready.
func (d *lz4Decoder) decode(stored bool) (err error) {
	before := d.dst[:0]
	if d.frame.linked {
		before = d.dst[max(0, len(d.dst)-lz4Window):]
	}
	held := copy(d.dst[:cap(d.dst)], before)
	room := d.frame.maxBlock()
	d.dst = slices.Grow(d.dst[:held], room)[:held+room]
	var n int
	if stored {
		n = copy(d.dst[held:], d.src)
	} else if n, err = lz4.UncompressBlockWithDict(d.src, d.dst[held:], d.dst[:held]); err != nil {
		return damaged("%w", err)
	}
	d.dst = d.dst[:held+n]
	d.ready = d.dst[held:]
	return nil
}

// closeFrame reads the end of a frame after its last block.
func (d *lz4Decoder) closeFrame() error {
	off := d.in.offset()
	if d.frame.frameSum {
		sum, err := d.in.br.Peek(4)
		if err != nil {
			return locate(off, err)
		}
		if want := binary.LittleEndian.Uint32(sum); d.whole && want != d.sum.sum() {
			return locate(off, damaged("lz4 checksum %08x, want %08x", d.sum.sum(), want))
		}
		d.in.br.Discard(4)
	}
	if d.whole && d.frame.hasSize && d.plain != d.frame.size {
		return locate(off, damaged("length %d, want %d", d.plain, d.frame.size))
	}
	return nil
}
