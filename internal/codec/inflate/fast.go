package inflate

// fast decodes symbols until there are limit bytes in buf, or less than 8 bytes of input are left, or something comes that it
// leaves to step: the end of the block, or what is no code or distance.
//
// Of c only the lower 6 bits count. After a refill they are 56 or more: enough for four literals and an index for the next
// entry, 55 bits, or for a length with its distance, 48 bits.
//
// Bounds, of what words.go does not check: buf has overrun bytes after limit, and end is below limit at each turn of the
// loop. So the literals of a turn, or its copy, which is written in pieces of up to 16 bytes, are within buf. What a copy
// reads is before that, and not before buf, because far is at most end. in[n:n+8] is within in, because n is at most last at
// each turn, and a turn increases it only after it was used.
func (z *Reader) fast(r *bitReader, limit int) {
	in, buf, end := r.in, z.buf, z.end
	last := len(in) - 8
	if r.n > last {
		return
	}
	lit, dist, border := &z.lit, &z.dist, z.border
	if z.copies == nil {
		border = 0
	}
	b, c, n := refill(in, r.n, r.b, uint32(r.c))
	e := lit[b&(1<<litBits-1)]
	for n <= last && end < limit {
		if e&literal != 0 {
			b, c, e, end = put(buf, end, e, b, c, lit)
			if e&literal != 0 {
				b, c, e, end = put(buf, end, e, b, c, lit)
				if e&literal != 0 {
					b, c, e, end = put(buf, end, e, b, c, lit)
					if e&literal != 0 {
						b, c, e, end = put(buf, end, e, b, c, lit)
					}
				}
			}
			b, c, n = refill(in, n, b, c) // the processor does that while it waits for e
			continue
		}
		if e&exception != 0 {
			if e = below(lit[:], e, b>>litBits); e&exception != 0 {
				break
			}
			if e&literal != 0 {
				b, c, e, end = put(buf, end, e, b, c, lit)
				b, c, n = refill(in, n, b, c)
				continue
			}
		}
		rest := b >> (e & 63)
		f := dist[rest&(1<<distBits-1)]
		if f&exception != 0 {
			if f = below(dist[:], f, rest>>distBits); f&exception != 0 {
				break
			}
		}
		length, far := value(e, b), value(f, rest)
		if far > end-border {
			if far > end {
				break
			}
			z.copies[z.ncopies&(maxCopies-1)] = Copy{uint32(end - z.begun), uint16(far), uint16(length)}
			z.ncopies++
		}
		b, c, n = refill(in, n, rest>>(f&63), c-e-f)
		e = lit[b&(1<<litBits-1)]
		copyWithin(buf, end, far, length)
		end += length
	}
	r.b, r.c, r.n, z.end = b&(1<<(c&63)-1), uint(c&63), n, end
}

// put writes the literal of e to buf, and returns what remains without its code, the entry for that, and end.
func put(buf []byte, end int, e uint32, b uint64, c uint32, lit *litTable) (uint64, uint32, uint32, int) {
	store8(buf, end, byte(e>>16))
	b >>= e & 63
	return b, c - e, lit[b&(1<<litBits-1)], end + 1
}

// refill adds bits of in to b, of which c count, and returns n after the last whole byte of which they are. Above c, b has
// the bits of the bytes after that, and the next refill adds the same.
func refill(in []byte, n int, b uint64, c uint32) (uint64, uint32, int) {
	return b | load64(in, n)<<(c&63), c | 56, n + int(^c>>3&7)
}

// below returns the entry of a subtable to which e leads, an exception, or e itself if it leads to none. b has the bits after
// those of the table's first level.
func below(table []uint32, e uint32, b uint64) uint32 {
	if e&subtable == 0 {
		return e
	}
	return table[e>>16+uint32(b&(1<<(e>>8&15)-1))]
}

// value returns the length or distance of an entry for the lowest bits of b.
func value(e uint32, b uint64) int { return int(e>>16) + int(b&(1<<(e&63)-1)>>(e>>8&15)) }

// copyWithin copies bytes from dist before to.
func copyWithin(buf []byte, to, dist, length int) {
	if dist < 16 {
		copyNear(buf, to, dist, length)
		return
	}
	for {
		copy16(buf, to, to-dist)
		if length -= 16; length <= 0 {
			return
		}
		to += 16
	}
}

// copyNear copies bytes from less than 16 before to. A word overlaps what it is copied from where that is nearer than 8
// bytes: then as many bytes of it as are in between are right, and the next one begins after those.
func copyNear(buf []byte, to, dist, length int) {
	if dist == 1 {
		v := uint64(buf[to-1]) * 0x0101010101010101
		for ; length > 0; length -= 8 {
			store64(buf, to, v)
			to += 8
		}
		return
	}
	for step := min(dist, 8); length > 0; length -= step {
		store64(buf, to, load64(buf, to-dist))
		to += step
	}
}
