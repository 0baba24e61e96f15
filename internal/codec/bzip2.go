package codec

import (
	"bytes"
	"io"
	"math/bits"
)

// bzip2Decoder decodes bzip2 of one or more streams. Blocks do not refer to each other, so decoding can start at each
// block, which may begin at any bit of a byte. The decoder verifies the checksum of each block, and that of a stream
// that it decodes from its start. Like bzip2 itself it ignores what follows the last stream.
type bzip2Decoder struct {
	in    bitInput
	offer func(Checkpoint)
	ahead *bzip2Ahead // nil: no blocks are decoded ahead
	many  int         // goroutines that decode blocks ahead; fewer than 2 mean none
	block *bzip2Block
	state bzip2State
	next  Checkpoint // of the block that comes next or is being read; its Out is not set
	out   int64      // plain offset of the next byte
	seen  bool       // a stream has begun
	whole bool       // the stream is decoded from its start
	want  uint32     // checksum of the block
	crc   uint32     // of the stream's blocks so far
	level byte       // '1' to '9', the size of its blocks; '9' where its header has not been read
	rest  int64      // trailing bytes
	err   error      // returned from all further calls of Read
}

// bzip2State is what comes next in the input of a bzip2Decoder.
type bzip2State uint8

const (
	atStream      bzip2State = iota // its header, or the end
	atFirstBorder                   // after the header of a stream, where its first block begins at next
	atBorder                        // of two blocks, or the end of a stream
	inBlock                         // of which plain bytes may come
)

func newBzip2Decoder(offer func(Checkpoint)) *bzip2Decoder {
	return &bzip2Decoder{offer: offer, block: new(bzip2Block)}
}

// parallel implements parallelDecoder.
func (d *bzip2Decoder) parallel(workers int, memory int64) {
	d.many = min(workers, int(memory/bzip2Memory)-1) // one block more is decoded ahead
}

// wait implements parallelDecoder.
func (d *bzip2Decoder) wait() {
	if d.ahead != nil {
		d.ahead.wait()
	}
}

// start implements decoder. A checkpoint is at the header of a stream or at a block.
func (d *bzip2Decoder) start(r io.Reader, c Checkpoint) error {
	d.wait()
	if d.ahead = nil; d.many > 1 {
		d.ahead = newBzip2Ahead(r, c.In, d.many)
		r = d.ahead
	}
	d.in.reset(r, c.In)
	d.state, d.next = atStream, c
	d.out, d.seen, d.rest, d.err = c.Out, false, 0, nil
	if c.Member || c.In == 0 {
		return nil
	}
	bit, err := c.bit()
	if err != nil {
		d.err = locate(c.In, err)
		return nil
	}
	d.in.take(uint(bit))
	d.state, d.seen, d.whole, d.crc, d.level = atBorder, true, false, 0, '9'
	return nil
}

// trailing implements decoder.
func (d *bzip2Decoder) trailing() int64 { return d.rest }

// Read returns plain bytes.
func (d *bzip2Decoder) Read(p []byte) (int, error) {
	for d.err == nil && len(p) > 0 {
		if d.state == inBlock {
			if n := d.block.runs.read(p); n > 0 {
				d.out += int64(n)
				return n, nil
			}
		}
		d.err = d.advance()
	}
	return 0, d.err
}

// advance goes on in the input by one state. It returns io.EOF at the end.
func (d *bzip2Decoder) advance() error {
	off, _ := d.in.at()
	switch d.state {
	case atStream:
		return d.openStream()
	case inBlock:
		d.state = atBorder
		if sum := d.block.runs.sum(); sum != d.want {
			return locate(off, damaged("bzip2 checksum of a block %08x, want %08x", sum, d.want))
		}
		return nil
	}
	end, err := d.border()
	if err != nil {
		return locate(off, err)
	}
	if end {
		d.state = atStream
		return nil
	}
	if err := d.readBlock(); err != nil {
		off, _ = d.in.at()
		return locate(off, err)
	}
	d.state = inBlock
	if d.offer != nil {
		c := d.next
		c.Out = d.out
		d.offer(c)
	}
	return nil
}

// readBlock decodes the block that begins here, unless that has been done ahead.
func (d *bzip2Decoder) readBlock() error {
	if d.ahead != nil {
		off, bit := d.in.at()
		if block, end := d.ahead.take(off*8+int64(bit), d.level, d.block); block != nil {
			d.block = block
			d.ahead.seek(&d.in, end)
			return nil
		}
		d.block = d.ahead.spare()
	}
	return d.block.read(&d.in, d.level)
}

// openStream reads the header of the next stream. It returns io.EOF if there is none.
func (d *bzip2Decoder) openStream() error {
	start, _ := d.in.at()
	head := d.in.peek()
	switch short := len(head) < 4; {
	case short && d.in.err != io.EOF:
		return locate(start, d.in.err)
	case short && len(head) == 0 && d.seen:
		return io.EOF
	case short && bytes.HasPrefix([]byte("BZh"), head):
		return locate(start, io.EOF)
	case !short && string(head[:3]) == "BZh" && '1' <= head[3] && head[3] <= '9':
		d.in.take(32)
		d.state, d.seen, d.whole, d.crc, d.level = atFirstBorder, true, true, 0, head[3]
		d.next = Checkpoint{In: start, Member: true}
		return nil
	case !d.seen:
		return locate(start, damaged("no bzip2 header"))
	}
	var err error
	if d.rest, err = d.in.skip(); err != nil {
		return locate(start, err)
	}
	return io.EOF
}

// beginsBzip2 reports whether a shard's first bytes are those of a bzip2 stream.
func beginsBzip2(head []byte) bool {
	return len(head) >= 10 && string(head[:3]) == "BZh" && '1' <= head[3] && head[3] <= '9' && isBzip2Block(head[4:10])
}

// isBzip2Block reports whether magic begins a bzip2 block or ends a bzip2 stream. The three letters before it are not
// enough to detect bzip2: they can be the name of the first member of a plain tar.
func isBzip2Block(magic []byte) bool {
	return string(magic) == "\x31\x41\x59\x26\x53\x59" || string(magic) == "\x17\x72\x45\x38\x50\x90"
}

// The bits that begin a block and those that end a stream.
const (
	bzip2Begin = 0x314159265359
	bzip2End   = 0x177245385090
)

// border reads the bits that begin a block or end a stream, with the checksum that follows, and reports whether they
// end one.
func (d *bzip2Decoder) border() (end bool, err error) {
	off, bit := d.in.at()
	mark := uint64(d.in.take(24))<<24 | uint64(d.in.take(24))
	crc := d.in.take(32)
	if err := d.in.overrun(); err != nil {
		return false, err
	}
	switch mark {
	case bzip2Begin:
		if d.state != atFirstBorder {
			d.next = Checkpoint{In: off, State: bit}
		}
		d.want, d.crc = crc, bits.RotateLeft32(d.crc, 1)^crc
		return false, nil
	case bzip2End:
		if d.whole && crc != d.crc {
			return false, damaged("bzip2 checksum %08x, want %08x", d.crc, crc)
		}
		d.in.align()
		return true, nil
	}
	return false, damaged("neither a bzip2 block nor the end of a stream")
}
