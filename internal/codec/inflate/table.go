package inflate

import "math/bits"

// A table is indexed by the next bits of the input. An entry of it is
//
//	bits 16-31  a byte with bit 31 set, the shortest length or distance, or where the subtable begins
//	bit  15     exception: neither of the first three
//	bit  14     of an exception: go on in a subtable, by the bits after those of the table
//	bits 8-11   the length of the code; of a subtable, how many bits index it
//	bits 0-5    the length of the code and the extra bits after it
//
// Entries of subtables have the whole length of the code, too. An exception without bit 14 is the end of the block, if bit 13
// is set, or no code.
const (
	literal    = 1 << 31
	exception  = 1 << 15
	subtable   = 1 << 14
	endOfBlock = 1 << 13
	invalid    = exception | 1<<8 | 1
)

// The size of a table is that of its first level, and of all subtables of the worst code, as zlib's program enough computes
// it: 2340 for 286 symbols, 11 bits at first and codes of up to 15; 592 for 30 symbols and 9 bits. The fixed codes have more
// symbols, but no code is longer than the first level.
const (
	litBits  = 11
	distBits = 9
	preBits  = 7
)

type (
	litTable  [2340]uint32
	distTable [592]uint32
)

// The symbols of the three codes, as entries without lengths of codes.
var (
	litSymbols  = litEntries()
	distSymbols = distEntries()
	preSymbols  = preEntries()
)

func litEntries() (e [288]uint32) {
	for i := range 256 {
		e[i] = literal | uint32(i)<<16
	}
	e[256] = exception | endOfBlock
	base := uint32(3)
	for i := uint32(257); i < 285; i++ {
		extra := uint32(0)
		if i >= 265 {
			extra = (i - 261) / 4
		}
		e[i] = base<<16 | extra
		base += 1 << extra
	}
	e[285] = 258 << 16
	e[286], e[287] = exception, exception
	return e
}

func distEntries() (e [32]uint32) {
	base := uint32(1)
	for i := range uint32(30) {
		extra := uint32(0)
		if i >= 4 {
			extra = i/2 - 1
		}
		e[i] = base<<16 | extra
		base += 1 << extra
	}
	e[30], e[31] = exception, exception
	return e
}

// preEntries returns the symbols of code lengths: a length, or 3, 2 and 3 for how many lengths are repeated.
func preEntries() (e [19]uint32) {
	for i := range uint32(16) {
		e[i] = i << 16
	}
	e[16], e[17], e[18] = 16<<16|2, 17<<16|3, 18<<16|7
	return e
}

// build makes the table of the code in which symbol i has lens[i] bits, 0 to 15, or none if it is 0. root is how many bits
// index the first level. ok is false if there are too many codes, or too few: a code must be complete. As in zlib, a single
// code of one bit is an exception where single is set, and no code at all is one; then the bits without a code are invalid.
func build(table []uint32, root int, lens []uint8, symbols []uint32, single bool) (ok bool) {
	var count, next [16]int
	for _, l := range lens {
		count[l&15]++
	}
	count[0] = 0
	left, codes := 1, 0
	for l := 1; l < 16; l++ {
		next[l] = codes
		codes += count[l]
		left = left<<1 - count[l]
		if left < 0 {
			return false
		}
	}
	if left > 0 {
		return single && buildSingle(table[:1<<root], lens, symbols, codes, count[1])
	}
	var sorted [288]uint16 // symbols in order of their codes
	for i, l := range lens {
		if l != 0 {
			sorted[next[l&15]%len(sorted)] = uint16(i)
			next[l&15]++
		}
	}
	code, symbol, size := 0, 0, 2 // code is in the order of the input's bits, the first one the lowest
	for l := 1; l <= root; l++ {
		mark := uint32(l)<<8 | uint32(l)
		for range count[l] {
			table[code] = symbols[sorted[symbol]] + mark
			symbol++
			code = following(code, size-1)
		}
		if l < root {
			copy(table[size:2*size], table[:size])
			size *= 2
		}
	}
	buildSubtables(table, root, code, sorted[symbol:codes], lens, &count, symbols)
	return true
}

// following returns the code after one, both with the first bit lowest, of as many bits as ones has. After the last code
// that is 0.
func following(code, ones int) int {
	zero := bits.Len(uint(code ^ ones)) // the highest bit that is 0 counts one more, and those above it become 0
	if zero == 0 {
		return 0
	}
	bit := 1 << (zero - 1)
	return code&(bit-1) | bit
}

// buildSubtables adds the codes that are longer than root, from one on, whose symbols are sorted. count is how many codes of
// each length there are.
func buildSubtables(table []uint32, root, code int, sorted []uint16, lens []uint8, count *[16]int, symbols []uint32) {
	prefix, size := -1, 0
	begin, free := 0, 1<<root
	for _, symbol := range sorted {
		l := int(lens[symbol] & 15)
		if p := code & (1<<root - 1); p != prefix {
			n := l - root
			for used := count[l]; used < 1<<n; used = used<<1 + count[root+n] {
				n++
			}
			prefix, begin, size = p, free, 1<<n
			free += size
			table[p] = uint32(begin)<<16 | exception | subtable | uint32(n)<<8
		}
		for i := code >> root; i < size; i += 1 << (l - root) {
			table[begin+i] = symbols[symbol] + (uint32(l)<<8 | uint32(l))
		}
		count[l]--
		code = following(code, 1<<l-1)
	}
}

// buildSingle makes the table of a code with one symbol or none.
func buildSingle(table []uint32, lens []uint8, symbols []uint32, codes, ofOneBit int) (ok bool) {
	if codes > 1 || codes != ofOneBit {
		return false
	}
	for i := range table {
		table[i] = invalid
	}
	for symbol, l := range lens {
		for i := 0; l != 0 && i < len(table); i += 2 {
			table[i] = symbols[symbol] + (1<<8 | 1)
		}
	}
	return true
}
