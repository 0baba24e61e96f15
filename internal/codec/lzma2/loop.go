package lzma2

// decode decodes the symbols of a chunk to out, from n on. It returns where the plain bytes end, and whether they fill
// out and the chunk ends with them. The data are the first size bytes of d.in.
func (d *Decoder) decode(out []byte, n, size int) (end int, sound bool) {
	if size < 5 {
		return n, false
	}
	m, in := &d.model, &d.in
	c := coder{rng: ^uint32(0), pos: 5}
	for _, b := range in[1:5] { // the first one is 0
		c.code = c.code<<8 | uint32(b)
	}
	base := d.full - uint64(n) // what is to add to an index in out for the plain bytes since the dictionary was reset
	for n < len(out) {
		at := base + uint64(n)
		pos := uint32(at & m.posMask)
		var is bool
		if c, is = c.bit(in, &m.isMatch[m.state<<4|pos]); !is {
			last := uint32(0)
			if at > 0 {
				last = uint32(out[n-1])
			}
			var symbol uint32
			if probs := m.literal(at, last); m.state < litStates {
				c, symbol = c.literal(in, probs)
			} else {
				c, symbol = c.afterMatch(in, probs, uint32(out[n-int(m.rep[0])-1]))
			}
			if c.pos > size {
				return n, false
			}
			out[n] = byte(symbol)
			n++
			m.state = afterLiteral[m.state]
			continue
		}
		var length uint32
		c, length = m.match(c, in, pos)
		back := uint64(m.rep[0]) + 1
		if c.pos > size || back > at || back > d.size {
			return n, false
		}
		to := n + min(int(length), len(out)-n)
		repeat(out[:to], n, int(back))
		if n += int(length); n > to {
			return to, false
		}
	}
	c = c.fill(in)
	return n, c.pos == size && c.code == 0
}

// literal returns the probabilities of the literal at a position, after a byte.
func (m *model) literal(at uint64, last uint32) *[literal]uint16 {
	i := uint32(at&m.litMask)<<m.lc + last>>(8-m.lc)
	return &m.literals[i%literals]
}

// match decodes the length of a match, and its distance to rep[0].
func (m *model) match(c coder, in *input, pos uint32) (_ coder, length uint32) {
	choice := m.state<<4 | pos
	c, is := c.bit(in, &m.isRep[m.state])
	if !is {
		m.after(7, 10)
		c, length = c.length(in, &m.length, pos)
		m.rep[3], m.rep[2], m.rep[1] = m.rep[2], m.rep[1], m.rep[0]
		c, m.rep[0] = c.distance(in, m, length)
		return c, length
	}
	if c, is = c.bit(in, &m.isRep0[m.state]); !is {
		if c, is = c.bit(in, &m.isRep0Long[choice]); !is {
			m.after(9, 11)
			return c, 1
		}
	} else if c, is = c.bit(in, &m.isRep1[m.state]); !is {
		m.rep[0], m.rep[1] = m.rep[1], m.rep[0]
	} else if c, is = c.bit(in, &m.isRep2[m.state]); !is {
		m.rep[0], m.rep[1], m.rep[2] = m.rep[2], m.rep[0], m.rep[1]
	} else {
		m.rep[0], m.rep[1], m.rep[2], m.rep[3] = m.rep[3], m.rep[0], m.rep[1], m.rep[2]
	}
	m.after(8, 11)
	return c.length(in, &m.repLength, pos)
}

// repeat fills out from n on with what comes back bytes before.
func repeat(out []byte, n, back int) {
	for from := n - back; n < len(out); {
		n += copy(out[n:], out[from:n]) // twice as many each time
	}
}
