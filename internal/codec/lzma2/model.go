package lzma2

// Sizes of the model.
const (
	states    = 12
	posStates = 16 // most that the position in the plain bytes can select
	literal   = 0x300
	literals  = 16

	minMatch = 2
)

// model has the probabilities of all bits, in 2048ths that they are 0, and what else a symbol depends on.
//
// A symbol is a literal, or a match: a length, and a distance, which may be that of one of the last four matches. The
// state tells which kinds the last symbols were; those below litStates come after a literal.
type model struct {
	state uint32
	rep   [4]uint32 // the last distances, less one

	lc      uint32 // how many high bits of the byte before select the probabilities of a literal
	litMask uint64 // which bits of its position do
	posMask uint64 // which bits of the position select others

	isMatch    [states * posStates]uint16
	isRep      [states]uint16
	isRep0     [states]uint16
	isRep1     [states]uint16
	isRep2     [states]uint16
	isRep0Long [states * posStates]uint16
	slots      [4][64]uint16
	special    [128]uint16
	align      [16]uint16
	length     lengths // of a match with a distance of its own
	repLength  lengths
	literals   [literals][literal]uint16
}

// lengths are the probabilities of a length.
type lengths struct {
	choice, choice2 uint16
	low, mid        [posStates][8]uint16
	high            [256]uint16
}

// set sets the properties that select probabilities, and resets these. It reports whether the properties are valid.
func (m *model) set(props byte) bool {
	if props >= 9*5*5 {
		return false
	}
	lc, lp, pb := props%9, props/9%5, props/45
	if lc+lp > 4 {
		return false
	}
	m.lc, m.litMask, m.posMask = uint32(lc), 1<<lp-1, 1<<pb-1
	m.reset()
	return true
}

// reset makes all bits as probable as not.
func (m *model) reset() {
	m.state, m.rep = 0, [4]uint32{}
	for _, p := range [][]uint16{
		m.isMatch[:], m.isRep[:], m.isRep0[:], m.isRep1[:], m.isRep2[:], m.isRep0Long[:],
		m.slots[0][:], m.slots[1][:], m.slots[2][:], m.slots[3][:], m.special[:], m.align[:],
	} {
		fill(p)
	}
	for i := range m.literals {
		fill(m.literals[i][:])
	}
	m.length.reset()
	m.repLength.reset()
}

func (l *lengths) reset() {
	l.choice, l.choice2 = half, half
	for i := range posStates {
		fill(l.low[i][:])
		fill(l.mid[i][:])
	}
	fill(l.high[:])
}

// half is the probability of a bit of which nothing is known.
const half = 1 << 10

func fill(p []uint16) {
	for i := range p {
		p[i] = half
	}
}

// litStates is how many states come after a literal.
const litStates = 7

// afterLiteral is the state after a literal.
var afterLiteral = [states]uint32{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5}

// after sets the state after a match: lit if a literal came before, else other.
func (m *model) after(lit, other uint32) {
	if m.state < litStates {
		m.state = lit
	} else {
		m.state = other
	}
}
