package inflate

// bitReader takes bits from the buffered input.
type bitReader struct {
	in []byte
	n  int    // index in in of the next byte that has no bit in b
	b  uint64 // the next bits, the first one lowest; above c they are those of the next bytes, or 0
	c  uint   // how many bits of b count; at most 63
}

// fill adds at least as many bits as are needed at once, 48, if the input has them.
func (r *bitReader) fill() {
	if r.n+8 <= len(r.in) { // so the load is within in
		r.b |= load64(r.in, r.n) << (r.c & 63)
		r.n += int((63 - r.c) >> 3)
		r.c |= 56
		return
	}
	for ; r.c < 56 && r.n < len(r.in); r.n++ {
		r.b |= uint64(r.in[r.n]) << (r.c & 63)
		r.c += 8
	}
}

// has reports whether there are n more bits.
func (r *bitReader) has(n uint) bool {
	if r.c < n {
		r.fill()
	}
	return r.c >= n
}

// take removes n bits, which must be there, and returns them.
func (r *bitReader) take(n uint) uint64 {
	v := r.b & (1<<(n&63) - 1)
	r.b >>= n & 63
	r.c -= n
	return v
}

// header is what is known of the codes of a block.
type header struct {
	lits, dists, pres int // number of code lengths
	n                 int // how many of them were read
	lens              [286 + 30]uint8
}

// preOrder is the order in which lengths of codes for code lengths are stored.
const preOrder = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"

// openBlock reads the first bits of a block. more means, here and below, that it needs more input and has taken none.
func (z *Reader) openBlock(r *bitReader) (more bool) {
	if !r.has(3) {
		return true
	}
	z.border = z.end
	z.last = r.take(1) == 1
	switch r.take(2) {
	case 0:
		z.state = atLength
	case 1:
		z.state = inData
		if !z.fixed {
			z.buildFixed()
		}
	case 2:
		z.state = atCounts
	default:
		z.err = Corrupt("block type 3")
	}
	return false
}

// readLength reads the length of a stored block.
func (z *Reader) readLength(r *bitReader) (more bool) {
	r.take(r.c & 7) // up to the next whole byte; once, because then they are whole
	if !r.has(32) {
		return true
	}
	n := r.take(16)
	if n^0xffff != r.take(16) {
		z.err = Corrupt("lengths of a stored block that differ")
	}
	z.stored, z.state = int(n), inStored
	return false
}

// copyStored copies bytes of a stored block.
func (z *Reader) copyStored(r *bitReader, limit int) (more bool) {
	r.n -= int(r.c >> 3)
	r.b, r.c = 0, 0
	n := copy(z.buf[z.end:limit], r.in[r.n:min(len(r.in), r.n+z.stored)])
	r.n += n
	z.end += n
	if z.stored -= n; z.stored == 0 {
		z.closeBlock(r)
		return false
	}
	return r.n == len(r.in)
}

// closeBlock ends a block, and the stream after the last one.
func (z *Reader) closeBlock(r *bitReader) {
	z.state = atBlock
	if z.last {
		z.state = atEnd
		r.take(r.c & 7)
	}
}

// readCounts reads how many lengths of codes follow.
func (z *Reader) readCounts(r *bitReader) (more bool) {
	if !r.has(14) {
		return true
	}
	h := &z.header
	h.lits, h.dists, h.pres = int(r.take(5))+257, int(r.take(5))+1, int(r.take(4))+4
	if h.lits > 286 || h.dists > 30 {
		z.err = Corrupt("too many codes")
	}
	h.n = 0
	clear(h.lens[:19])
	z.state = inCodeLengths
	return false
}

// readCodeLengths reads the code for lengths of codes. Its table is that of distances, which is not needed yet.
func (z *Reader) readCodeLengths(r *bitReader) (more bool) {
	h := &z.header
	for ; h.n < h.pres; h.n++ {
		if !r.has(3) {
			return true
		}
		h.lens[preOrder[h.n]] = uint8(r.take(3))
	}
	z.fixed = false
	if !build(z.dist[:], preBits, h.lens[:19], preSymbols[:], false) {
		z.err = Corrupt("wrong code for lengths of codes")
	}
	h.n = 0
	z.state = inLengths
	return false
}

// readLengths reads the lengths of codes and makes the tables.
func (z *Reader) readLengths(r *bitReader) (more bool) {
	h := &z.header
	for all := h.lits + h.dists; h.n < all; {
		if r.c < preBits+7 {
			r.fill()
		}
		e := z.dist[r.b&(1<<preBits-1)]
		if r.c < uint(e&63) {
			return true
		}
		s, extra := e>>16, uint(r.b&(1<<(e&63)-1)>>(e>>8&15))
		r.take(uint(e & 63))
		if s < 16 {
			h.lens[h.n] = uint8(s)
			h.n++
			continue
		}
		n, l := int(extra)+3, uint8(0)
		switch s {
		case 16:
			if h.n == 0 {
				z.err = Corrupt("repeated length of a code without one before")
				return false
			}
			l = h.lens[h.n-1]
		case 18:
			n += 8
		}
		if h.n+n > all {
			z.err = Corrupt("repeated length of a code after the last one")
			return false
		}
		for range n {
			h.lens[h.n] = l
			h.n++
		}
	}
	z.state = inData
	switch lens := h.lens[:h.lits+h.dists]; {
	case lens[256] == 0:
		z.err = Corrupt("no code for the end of the block")
	case !build(z.lit[:], litBits, lens[:h.lits], litSymbols[:], true):
		z.err = Corrupt("wrong code for literals and lengths")
	case !build(z.dist[:], distBits, lens[h.lits:], distSymbols[:], true):
		z.err = Corrupt("wrong code for distances")
	}
	return false
}

// buildFixed makes the tables of blocks that do not have their own.
func (z *Reader) buildFixed() {
	var lens [288]uint8
	for i := range lens {
		lens[i] = 8
		if i >= 144 && i < 256 {
			lens[i] = 9
		} else if i >= 256 && i < 280 {
			lens[i] = 7
		}
	}
	build(z.lit[:], litBits, lens[:], litSymbols[:], false)
	for i := range 32 {
		lens[i] = 5
	}
	build(z.dist[:], distBits, lens[:32], distSymbols[:], false)
	z.fixed = true
}
