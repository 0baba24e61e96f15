package inflate

import "io"

// Copy is a copy of bytes that begin before the block that is being decoded.
type Copy struct {
	At   uint32 // where in what Next has returned it is
	Dist uint16 // how many bytes before that it begins
	Len  uint16
}

// maxCopies is more than begin before a block: they are within WindowSize bytes after its start, and have 3 bytes or more.
// That it is a power of two makes an index without a check.
const maxCopies = 16 << 10

// KeepCopies makes z keep copies, for Copies.
func (z *Reader) KeepCopies() {
	if z.copies == nil {
		z.copies = new([maxCopies]Copy)
	}
}

// Copies returns the copies in what Next has returned that begin before the block that it is in, if KeepCopies was called.
// These, and those of later blocks, are all that need the bytes before any block at all. They are valid until the next
// call of Next.
func (z *Reader) Copies() []Copy {
	if z.copies == nil {
		return nil
	}
	return z.copies[:z.ncopies]
}

// advance decodes what is buffered until there are limit bytes in buf, or a block ends, or more input is needed. It takes
// from the input what it has decoded, but for a byte of which some bits are left.
func (z *Reader) advance(in []byte, limit int) (more bool) {
	if len(in) == 0 {
		return true
	}
	r := bitReader{in: in}
	if z.bit > 0 {
		r.n, r.b, r.c = 1, uint64(in[0])>>z.bit, uint(8-z.bit)
	}
	for state := z.state; ; state = z.state {
		switch state {
		case atBlock:
			more = z.openBlock(&r)
		case atLength:
			more = z.readLength(&r)
		case inStored:
			more = z.copyStored(&r, limit)
		case atCounts:
			more = z.readCounts(&r)
		case inCodeLengths:
			more = z.readCodeLengths(&r)
		case inLengths:
			more = z.readLengths(&r)
		case inData:
			more = z.decode(&r, limit)
		}
		if z.state == atEnd {
			z.err = io.EOF
		}
		if more || z.err != nil || z.end >= limit || z.state == atBlock {
			break
		}
	}
	at := r.n*8 - int(r.c)
	z.in.Discard(at / 8) // which is in the buffer
	z.bit = uint8(at % 8)
	return more
}

// decode decodes a block with codes.
func (z *Reader) decode(r *bitReader, limit int) (more bool) {
	for z.state == inData && z.err == nil && z.end < limit {
		z.fast(r, limit)
		// The fast loop stops before what it does not expect, or 8 bytes before the end of the input.
		for fast := false; !fast && z.state == inData && z.err == nil && z.end < limit; {
			if z.step(r) {
				return true
			}
			fast = r.n+16 < len(r.in)
		}
	}
	return false
}

// step decodes one symbol. The buffer has room for the longest.
func (z *Reader) step(r *bitReader) (more bool) {
	r.fill()
	e := z.lit[r.b&(1<<litBits-1)]
	if e&(exception|subtable) == exception|subtable {
		e = z.lit[e>>16+uint32(r.b>>litBits&(1<<(e>>8&15)-1))]
	}
	n := uint(e & 63)
	switch {
	case n > r.c:
		return true
	case e&literal != 0:
		r.take(n)
		z.buf[z.end] = byte(e >> 16)
		z.end++
		return false
	case e&endOfBlock != 0 && e&exception != 0:
		r.take(n)
		z.closeBlock(r)
		return false
	case e&exception != 0:
		z.err = Corrupt("no such code")
		return false
	}
	length := int(e>>16) + int(r.b&(1<<n-1)>>(e>>8&15))
	b, c := r.b>>n, r.c-n
	e = z.dist[b&(1<<distBits-1)]
	if e&(exception|subtable) == exception|subtable {
		e = z.dist[e>>16+uint32(b>>distBits&(1<<(e>>8&15)-1))]
	}
	n = uint(e & 63)
	if n > c {
		return true
	}
	dist := int(e>>16) + int(b&(1<<n-1)>>(e>>8&15))
	if e&exception != 0 {
		z.err = Corrupt("no such distance")
		return false
	}
	if dist > z.end {
		z.err = Corrupt("distance before the first byte")
		return false
	}
	if dist > z.end-z.border && z.copies != nil {
		z.copies[z.ncopies&(maxCopies-1)] = Copy{uint32(z.end - z.begun), uint16(dist), uint16(length)}
		z.ncopies++
	}
	r.b, r.c = b>>n, c-n
	for range length {
		z.buf[z.end] = z.buf[z.end-dist]
		z.end++
	}
	return false
}
