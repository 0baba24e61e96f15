package codec

// Limits of the Huffman codes of bzip2.
const (
	bzip2MaxBits    = 20  // longest code
	bzip2MaxSymbols = 258 // two for runs, 255 for places in the list of bytes, and one for the end
	bzip2FastBits   = 10  // codes up to this long are found by one look into a table
)

// bzip2Code is a Huffman code. As in bzip2 itself the codes need not be complete: the bits of none are damage where they
// occur, and so a code that no part of the block uses can be any.
type bzip2Code struct {
	fast  [1 << bzip2FastBits]uint16 // by the next bits: entry of the symbol; 0 if its code is longer, or none
	limit [bzip2MaxBits + 2]uint32   // by length: one more than the last code that is as long or shorter, as 20 bits
	first [bzip2MaxBits + 2]int      // by length: what to add to a code for its symbol's place in order
	order [bzip2MaxSymbols]uint16    // symbols, by their codes
}

// An entry is a symbol and the length of its code in bits.
func bzip2Entry(symbol, length uint16) uint16 { return symbol<<5 | length }

// set makes c the code with these lengths of the codes of symbols.
func (c *bzip2Code) set(lengths []uint8) {
	code, fast, n := 0, 0, 0
	for length := 1; length <= bzip2MaxBits; length++ {
		c.first[length] = n - code
		for symbol, l := range lengths {
			if int(l) != length {
				continue
			}
			c.order[n] = uint16(symbol)
			n, code = n+1, code+1
			for length <= bzip2FastBits && fast < min(code<<bzip2FastBits>>length, len(c.fast)) {
				c.fast[fast] = bzip2Entry(uint16(symbol), uint16(length))
				fast++
			}
		}
		c.limit[length] = uint32(code) << (bzip2MaxBits - length)
		code <<= 1
		if length == bzip2FastBits {
			clear(c.fast[fast:])
		}
	}
}

// long returns the entry for bits that begin with a code that is not in fast; 0 if there is none.
func (c *bzip2Code) long(bits uint64) uint16 {
	code := uint32(bits >> (64 - bzip2MaxBits))
	for length := bzip2FastBits + 1; length <= bzip2MaxBits; length++ {
		if code < c.limit[length] {
			return bzip2Entry(c.order[c.first[length]+int(code>>(bzip2MaxBits-length))], uint16(length))
		}
	}
	return 0
}
