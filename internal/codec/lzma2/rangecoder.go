package lzma2

// input is the data of a chunk, with slack after it, so that nothing is checked before a symbol has been decoded.
type input [1 << 17]byte

// inputSlack is more bytes than a symbol can take, which are 20 at most.
const inputSlack = 32

// coder is the state of the range decoder. It is passed and returned by value, so that it is in registers.
type coder struct {
	rng, code uint32
	pos       int // in the input
}

// fill takes a byte of the input if the range is short. It comes before each bit.
func (c coder) fill(in *input) coder {
	if c.rng < 1<<24 {
		c.rng <<= 8
		c.code = c.code<<8 | uint32(in[c.pos&(len(in)-1)])
		c.pos++
	}
	return c
}

// bit decodes a bit by a branch, for bits that are mostly the same.
func (c coder) bit(in *input, p *uint16) (coder, bool) {
	c = c.fill(in)
	bound := c.rng >> 11 * uint32(*p)
	if c.code < bound {
		c.rng = bound
		*p += (1<<11 - *p) >> 5
		return c, false
	}
	c.rng -= bound
	c.code -= bound
	*p -= *p >> 5
	return c, true
}

// step decodes a bit without a branch, for bits that are as often 0 as 1. The result zero has all bits set if it is 0.
func (c coder) step(p *uint16) (next coder, zero uint32) {
	prob := uint32(*p)
	bound := c.rng >> 11 * prob
	zero = uint32((int64(c.code) - int64(bound)) >> 63)
	c.code -= bound &^ zero
	c.rng += zero&(bound+bound-c.rng) - bound
	*p = uint16(prob - uint32(int32(prob-zero&2017)>>5))
	return c, zero
}

// tree decodes bits, the highest first, each with a probability that depends on those before it: until symbol, which
// begins as 1, has reached len(probs), a power of two.
func (c coder) tree(in *input, probs []uint16) (coder, uint32) {
	symbol := uint32(1)
	for symbol < uint32(len(probs)) {
		var zero uint32
		c, zero = c.fill(in).step(&probs[symbol])
		symbol = symbol<<1 + 1 + zero
	}
	return c, symbol - uint32(len(probs))
}

// reverse decodes count bits, the lowest first.
func (c coder) reverse(in *input, probs []uint16, count uint32) (coder, uint32) {
	symbol, value := uint32(1), uint32(0)
	for i := range count {
		var zero uint32
		c, zero = c.fill(in).step(&probs[symbol])
		symbol = symbol<<1 + 1 + zero
		value |= (1 + zero) << i
	}
	return c, value
}

// direct decodes count bits that have no probability, the highest first.
func (c coder) direct(in *input, count uint32) (coder, uint32) {
	value := uint32(0)
	for range count {
		c = c.fill(in)
		c.rng >>= 1
		c.code -= c.rng
		zero := uint32(int32(c.code) >> 31)
		c.code += c.rng & zero
		value = value<<1 + 1 + zero
	}
	return c, value
}

// literal decodes a literal after another one.
func (c coder) literal(in *input, probs *[literal]uint16) (coder, uint32) {
	symbol := uint32(1)
	for symbol < 0x100 {
		var zero uint32
		c, zero = c.fill(in).step(&probs[symbol&0xff])
		symbol = symbol<<1 + 1 + zero
	}
	return c, symbol
}

// afterMatch decodes a literal after a match, which would have gone on with a byte: so long as the bits are those of
// that byte, other probabilities are used.
func (c coder) afterMatch(in *input, probs *[literal]uint16, match uint32) (coder, uint32) {
	symbol, same := uint32(1), uint32(0x100)
	for symbol < 0x100 {
		match <<= 1
		bit := match & same
		var zero uint32
		c, zero = c.fill(in).step(&probs[same+bit+symbol])
		symbol = symbol<<1 + 1 + zero
		same &= bit ^ zero
	}
	return c, symbol
}

// length decodes the length of a match.
func (c coder) length(in *input, l *lengths, pos uint32) (coder, uint32) {
	long := false
	if c, long = c.bit(in, &l.choice); !long {
		c, n := c.tree(in, l.low[pos][:])
		return c, minMatch + n
	}
	if c, long = c.bit(in, &l.choice2); !long {
		c, n := c.tree(in, l.mid[pos][:])
		return c, minMatch + 8 + n
	}
	c, n := c.tree(in, l.high[:])
	return c, minMatch + 16 + n
}

// distance decodes the distance of a match, less one. It is in a slot, by its two highest bits and how many bits come
// after these.
func (c coder) distance(in *input, m *model, length uint32) (coder, uint32) {
	c, slot := c.tree(in, m.slots[min(length-minMatch, uint32(len(m.slots)-1))][:])
	if slot < 4 {
		return c, slot
	}
	count := slot>>1 - 1
	high := (2 | slot&1) << count
	if slot < 14 {
		c, low := c.reverse(in, m.special[high-slot:], count)
		return c, high + low
	}
	c, middle := c.direct(in, count-4)
	c, low := c.reverse(in, m.align[:], 4)
	return c, high + middle<<4 + low
}
