package codec

import (
	"encoding/binary"
	"io"
)

// bitInput is compressed input that is read bit by bit, the highest bit of a byte first. After the end of the input,
// or an error of it, come zeros, so that reading needs no checks; overrun tells whether some of them were taken.
type bitInput struct {
	r     io.Reader
	space []byte
	buf   []byte // read from r, in space
	pos   int    // in buf, of the first byte that is not in bits
	end   int64  // compressed offset of the end of buf
	bits  uint64 // the next bits, from the highest down
	n     uint   // how many of them count; what is below is zero or what follows in buf
	over  uint   // how many bits after the end of the input were added
	err   error  // why r has no more bytes
}

// reset makes b read from r, whose first byte is at the compressed offset off.
func (b *bitInput) reset(r io.Reader, off int64) {
	if b.space == nil {
		b.space = make([]byte, inputBuffer)
	}
	*b = bitInput{r: r, space: b.space, end: off}
}

// seek goes to a bit, counted from the start of the shard, if its byte is in the buffer.
func (b *bitInput) seek(place int64) bool {
	off := place / 8
	first := b.end - int64(len(b.buf))
	if off < first || b.end <= off {
		return false
	}
	b.pos, b.bits, b.n, b.over = int(off-first), 0, 0, 0
	b.take(uint(place % 8))
	return true
}

// at returns the place of the next bit: the compressed offset of its byte, and how many bits of that come before.
func (b *bitInput) at() (off int64, bit uint8) {
	place := (b.end-int64(len(b.buf)-b.pos))*8 - (int64(b.n) - int64(b.over))
	return min(place/8, b.end), uint8(place % 8)
}

// refill adds bits until there are at least 56.
func (b *bitInput) refill() {
	if b.pos+8 <= len(b.buf) {
		b.bits |= binary.BigEndian.Uint64(b.buf[b.pos:]) >> b.n
		b.pos += int(63-b.n) / 8
		b.n |= 56
		return
	}
	for ; b.n <= 56; b.n += 8 {
		if b.pos == len(b.buf) && !b.more() {
			b.over += 8
			continue
		}
		b.bits |= uint64(b.buf[b.pos]) << (56 - b.n)
		b.pos++
	}
}

// more reads the next bytes into buf.
func (b *bitInput) more() bool {
	for empty := 0; b.err == nil; empty++ {
		n, err := b.r.Read(b.space)
		if err == nil && n == 0 && empty == 100 {
			err = io.ErrNoProgress
		}
		b.buf, b.pos, b.err = b.space[:n], 0, err
		b.end += int64(n)
		if n > 0 {
			return true
		}
	}
	return false
}

// take returns the next bits, at most 32.
func (b *bitInput) take(n uint) uint32 {
	if b.n < n {
		b.refill()
	}
	v := uint32(b.bits >> (64 - n))
	b.bits <<= n
	b.n -= n
	return v
}

// align skips the rest of a byte of which some bits were taken.
func (b *bitInput) align() { b.take(b.n % 8) }

// peek returns up to 4 of the next bytes, without taking them; fewer only where the input ends. The next bit must be
// the first of a byte.
func (b *bitInput) peek() []byte {
	if b.n < 32 {
		b.refill()
	}
	return binary.BigEndian.AppendUint32(nil, uint32(b.bits>>32))[:min(4, (b.n-min(b.n, b.over))/8)]
}

// overrun returns the error of the input, or io.EOF, if bits were taken that it does not have.
func (b *bitInput) overrun() error {
	if b.n < b.over {
		return b.err
	}
	return nil
}

// skip reads the input to its end, and returns how many bytes that were.
func (b *bitInput) skip() (int64, error) {
	n := int64(b.n-b.over)/8 + int64(len(b.buf)-b.pos)
	b.bits, b.n, b.over, b.pos = 0, 0, 0, len(b.buf)
	for b.more() {
		n += int64(len(b.buf))
		b.pos = len(b.buf)
	}
	if b.err != io.EOF {
		return n, b.err
	}
	return n, nil
}
