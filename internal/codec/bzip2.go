package codec

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// bzip2Decoder decodes bzip2 of one or more streams. Blocks do not refer to each other, so decoding can start at each
// block, which may begin at any bit of a byte. The decoder verifies the checksum of each block, and that of a stream
// that it decodes from its start. Like bzip2 itself it ignores what follows the last stream.
//
// compress/bzip2 does the decoding. It does not report where a block begins. But it reads its input byte by byte and
// never ahead, so when the first bytes of a block come out, the block ends within the last eight bits that it was
// given. That is exact, unlike a search for the 48 bits that begin a block, which can occur inside a block by chance.
type bzip2Decoder struct {
	in    input
	offer func(Checkpoint)
	lib   io.Reader
	feed  bzip2Feed
	begun bool       // lib has been set up; before that, decoding starts at next
	next  Checkpoint // of the block that Read returns next; its Out is not set
	out   int64      // plain offset of the next byte
	seen  bool       // a stream has begun
	first bool       // no block of the stream has been fed
	whole bool       // the stream is decoded from its start, which is at next until a block has been fed
	crc   uint32     // of the stream's blocks that have been fed
	level byte       // '1' to '9', the size of its blocks; '9' where its header has not been read
	rest  int64      // trailing bytes
	err   error      // returned from all further calls of Read
}

func newBzip2Decoder(offer func(Checkpoint)) *bzip2Decoder { return &bzip2Decoder{offer: offer} }

// start implements decoder. A checkpoint is at the header of a stream or at a block.
func (d *bzip2Decoder) start(r io.Reader, c Checkpoint) error {
	d.in.reset(r, c.In)
	d.begun, d.next = false, c
	d.out, d.seen, d.rest, d.err = c.Out, false, 0, nil
	return nil
}

// trailing implements decoder.
func (d *bzip2Decoder) trailing() int64 { return d.rest }

// Read returns plain bytes.
func (d *bzip2Decoder) Read(p []byte) (int, error) {
	if d.err == nil && !d.begun {
		d.err = d.begin()
	}
	if d.err != nil || len(p) == 0 {
		return 0, d.err
	}
	d.feed.taken = false
	n, err := d.lib.Read(p)
	if err != nil { // bytes returned with an error are wrong
		d.err = d.failure(err)
		return 0, d.err
	}
	if d.feed.taken { // a block has been read, and these are its first bytes
		if d.offer != nil {
			c := d.next
			c.Out = d.out
			d.offer(c)
		}
		d.feed.err = d.advance(7) // returned after the whole block
	}
	d.out += int64(n)
	return n, nil
}

// begin prepares to decode from d.next.
func (d *bzip2Decoder) begin() error {
	d.begun = true
	d.feed = bzip2Feed{in: &d.in}
	d.lib = bzip2.NewReader(&d.feed)
	c := d.next
	if c.Member || c.In == 0 {
		if err := d.openStream(); err != nil {
			return err
		}
		return d.advance(0)
	}
	bit, err := c.bit()
	if err != nil {
		return locate(c.In, err)
	}
	d.seen, d.first, d.whole, d.crc, d.level = true, true, false, 0, '9'
	if bit > 0 {
		if _, err := d.feed.ReadByte(); err != nil {
			return locate(c.In, err)
		}
		d.feed.lag = 8 - uint(bit)
	}
	return d.advance(0)
}

// openStream reads the header of the next stream. It returns io.EOF if there is none.
func (d *bzip2Decoder) openStream() error {
	start := d.in.offset()
	head, err := d.in.br.Peek(4)
	if err == io.EOF && len(head) == 0 && d.seen {
		return io.EOF
	}
	if err != nil && (err != io.EOF || bytes.HasPrefix([]byte("BZh"), head)) {
		return locate(start, err)
	}
	if err == nil && string(head[:3]) == "BZh" && '1' <= head[3] && head[3] <= '9' {
		d.seen, d.first, d.whole, d.crc, d.level = true, true, true, 0, head[3]
		d.next = Checkpoint{In: start, Member: true}
		d.feed.lag = 0
		_, err = d.in.br.Discard(4)
		return err
	}
	if !d.seen {
		return locate(start, damaged("no bzip2 header"))
	}
	if d.rest, err = io.Copy(io.Discard, d.in.br); err != nil {
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

// The bits that begin a block and those that end a stream, and the size of either with the checksum that follows.
const (
	bzip2Block = 0x314159265359
	bzip2End   = 0x177245385090
	bzip2Mark  = 48 + 32
)

// advance reads borders until the next block can be fed. The first border is at most slack bits before the bit that
// the feed has reached. It returns io.EOF if there is no further block.
func (d *bzip2Decoder) advance(slack uint) error {
	for {
		end, err := d.border(slack)
		if err != nil || !end {
			return err
		}
		if err := d.openStream(); err != nil {
			return err
		}
		slack = 0
	}
}

// border reads the bits that begin a block or end a stream, and reports whether they end one.
func (d *bzip2Decoder) border(slack uint) (end bool, err error) {
	off := d.in.offset()
	ahead, err := d.in.br.Peek(bzip2Mark/8 + 1)
	if err != nil && err != io.EOF {
		return false, locate(off, err)
	}
	var b [2 + bzip2Mark/8 + 1 + 8]byte // the last eight are there for bitsAt, which reads eight bytes
	binary.BigEndian.PutUint16(b[:], d.feed.last)
	copy(b[2:], ahead)
	have := uint(2+len(ahead)) * 8

	for at := 16 - d.feed.lag; at >= 16-d.feed.lag-slack; at-- {
		magic := bitsAt(b[:], at) >> 16
		crc := uint32(bitsAt(b[:], at+48) >> 32)
		if magic != bzip2Block && magic != bzip2End {
			continue
		}
		if have < at+bzip2Mark {
			break
		}
		if magic == bzip2Block {
			d.crc = bits.RotateLeft32(d.crc, 1) ^ crc
			if !d.first || !d.whole {
				d.next = Checkpoint{In: off - 2 + int64(at/8), State: uint8(at % 8)}
			}
			if d.first {
				d.feed.made = append(d.feed.made, 'B', 'Z', 'h', d.level)
			}
			d.first = false
			return false, nil
		}
		if d.whole && crc != d.crc {
			return false, locate(off, damaged("bzip2 checksum %08x, want %08x", d.crc, crc))
		}
		if !d.first {
			d.feed.end(16-d.feed.lag-at, d.crc)
		}
		if _, err := d.in.br.Discard(int(at+bzip2Mark+7)/8 - 2); err != nil {
			return false, locate(off, err)
		}
		return true, nil
	}
	if err == io.EOF {
		return false, locate(off+int64(len(ahead)), err)
	}
	return false, locate(off, damaged("neither a bzip2 block nor the end of a stream"))
}

// bitsAt returns 64 bits of b, from bit at on. If at is not a multiple of 8, the last at%8 of them are 0.
func bitsAt(b []byte, at uint) uint64 { return binary.BigEndian.Uint64(b[at/8:]) << (at % 8) }

// failure returns the error of a Read in which compress/bzip2 failed with err.
func (d *bzip2Decoder) failure(err error) error {
	if err == d.feed.err {
		return err
	}
	if reason, ok := err.(bzip2.StructuralError); ok {
		if reason == "deprecated randomized files" {
			err = fmt.Errorf("%w: %w", ErrLimit, err)
		} else {
			err = damaged("%w", err)
		}
	}
	return locate(d.in.offset(), err)
}

// bzip2Feed is the input of compress/bzip2: one file with all blocks, their bits shifted so that the first one begins
// at a whole byte, and with a generated end of the stream where needed. It is an io.ByteReader, so that compress/bzip2
// does not read ahead.
type bzip2Feed struct {
	in    *input
	last  uint16 // the last two bytes read from in
	lag   uint   // number of their bits that have not been returned
	made  []byte // generated bytes, returned first
	err   error  // returned after that
	taken bool   // a byte was read since this was set to false
}

func (f *bzip2Feed) ReadByte() (byte, error) {
	f.taken = true
	if len(f.made) > 0 {
		b := f.made[0]
		f.made = f.made[1:]
		return b, nil
	}
	if f.err != nil {
		return 0, f.err
	}
	b, err := f.in.br.ReadByte()
	f.last = f.last<<8 | uint16(b)
	return byte(f.last >> f.lag), err
}

// Read is not called; compress/bzip2 prefers ReadByte.
func (f *bzip2Feed) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if p[n], err = f.ReadByte(); err == nil {
			n++
		}
	}
	return n, err
}

// end generates the end of a stream, without its first given bits, which have been returned already. crc is the
// checksum of the blocks that have been fed; in a stream that was not decoded from its start it differs from the
// stream's own.
func (f *bzip2Feed) end(given uint, crc uint32) {
	var b [bzip2Mark/8 + 8]byte
	binary.BigEndian.PutUint64(b[:], bzip2End<<16)
	binary.BigEndian.PutUint32(b[6:], crc)
	f.made = nil
	for i := range uint(bzip2Mark / 8) {
		f.made = append(f.made, byte(bitsAt(b[:], given+8*i)>>56))
	}
}
