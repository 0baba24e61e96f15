package codec

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// bzip2Unit is how many plain bytes a block has at most, for each step of the level of its stream.
const bzip2Unit = 100_000

// bzip2Block decodes one block after the other: the bits to the last column of the sorted rotations, that to the bytes
// in their order, and those, in which runs are shortened, to plain bytes.
type bzip2Block struct {
	origin    int // the row that is not rotated
	symbols   int // number of symbols in use
	codes     [6]bzip2Code
	selectors []uint8 // which code each 50 symbols have
	list      bzip2List
	counts    [256]uint32 // how often each byte occurs
	column    []byte      // the last column of the sorted rotations, then the bytes in their order
	rows      []bzip2Row
	runs      bzip2Runs
}

// read decodes a block, which begins after its checksum. Level is that of the stream.
func (k *bzip2Block) read(b *bitInput, level byte) error {
	err := k.head(b)
	if err == nil {
		if k.column == nil {
			k.column = make([]byte, 0, 9*bzip2Unit)
		}
		err = k.data(b, k.column[:bzip2Unit*int(level-'0')])
	}
	if cut := b.overrun(); cut != nil { // what was read as zeros made no sense
		err = cut
	}
	if err == nil && k.origin >= len(k.column) {
		err = damaged("bzip2 block begins at row %d of %d", k.origin, len(k.column))
	}
	if err != nil {
		return err
	}
	k.runs.start(k.invert())
	return nil
}

// head reads everything before the data of a block.
func (k *bzip2Block) head(b *bitInput) error {
	if b.take(1) != 0 {
		return fmt.Errorf("%w: a randomized block, which only bzip2 0.9.0 and older wrote", ErrLimit)
	}
	k.origin = int(b.take(24))
	k.readBytes(b)
	if k.symbols == 2 {
		return damaged("bzip2 block without bytes")
	}
	codes := int(b.take(3))
	if codes < 2 || codes > len(k.codes) {
		return damaged("bzip2 block with %d codes", codes)
	}
	if err := k.readSelectors(b, codes); err != nil {
		return err
	}
	for i := range codes {
		if err := k.readCode(b, &k.codes[i]); err != nil {
			return err
		}
	}
	return nil
}

// readBytes reads which bytes occur. They are the list of bytes at first, in order.
func (k *bzip2Block) readBytes(b *bitInput) {
	var list [256]byte
	n := 0
	for sixteens := uint16(b.take(16)); sixteens != 0; {
		high := bits.LeadingZeros16(sixteens)
		sixteens &^= 1 << 15 >> high
		for ones := uint16(b.take(16)); ones != 0; n++ {
			low := bits.LeadingZeros16(ones)
			ones &^= 1 << 15 >> low
			list[n] = byte(high*16 + low)
		}
	}
	k.symbols = n + 2
	k.list.front = binary.LittleEndian.Uint64(list[:8])
	copy(k.list.rest[:], list[8:])
}

// readSelectors reads which of the codes each 50 symbols have, as places in a list of the codes whose first is the last
// one used.
func (k *bzip2Block) readSelectors(b *bitInput, codes int) error {
	n := int(b.take(15))
	if n == 0 {
		return damaged("bzip2 block without selectors")
	}
	if cap(k.selectors) < n {
		k.selectors = make([]uint8, 0, 1<<15)
	}
	k.selectors = k.selectors[:n]
	list := [6]uint8{0, 1, 2, 3, 4, 5}
	for i := range k.selectors {
		place := 0
		for b.take(1) == 1 {
			if place++; place == codes {
				return damaged("bzip2 block with a selector of more than %d codes", codes)
			}
		}
		code := list[place]
		copy(list[1:place+1], list[:place])
		list[0], k.selectors[i] = code, code
	}
	return nil
}

// readCode reads the lengths of a code, each as the difference to the one before.
func (k *bzip2Block) readCode(b *bitInput, c *bzip2Code) error {
	var lengths [bzip2MaxSymbols]uint8
	length := b.take(5)
	for i := range k.symbols {
		for {
			if length < 1 || length > bzip2MaxBits {
				return damaged("bzip2 code of %d bits", length)
			}
			if b.take(1) == 0 {
				break
			}
			length += 1 - 2*b.take(1)
		}
		lengths[i] = uint8(length)
	}
	c.set(lengths[:k.symbols])
	return nil
}

// data decodes the symbols of a block to its last column, in space.
func (k *bzip2Block) data(b *bitInput, space []byte) error {
	clear(k.counts[:])
	n, run, step := 0, 0, 1
	end := uint16(k.symbols - 1)
	for _, selector := range k.selectors {
		if err := b.overrun(); err != nil {
			return err
		}
		code := &k.codes[selector]
		for range 50 {
			if b.n < bzip2MaxBits {
				b.refill()
			}
			entry := code.fast[b.bits>>(64-bzip2FastBits)]
			if entry == 0 {
				if entry = code.long(b.bits); entry == 0 {
					return damaged("bzip2 code of no symbol")
				}
			}
			b.bits <<= entry & 31
			b.n -= uint(entry & 31)
			symbol := entry >> 5
			if symbol < 2 { // digits of the length of a run, the lowest first
				run += step << symbol
				step <<= 1
				if run > len(space)-n {
					return damaged("bzip2 block longer than %d bytes", len(space))
				}
				continue
			}
			if run > 0 {
				k.repeat(space[n : n+run])
				n, run, step = n+run, 0, 1
			}
			if symbol == end {
				k.column = space[:n]
				return nil
			}
			if n == len(space) {
				return damaged("bzip2 block longer than %d bytes", len(space))
			}
			c := k.list.take(uint(symbol - 1))
			k.counts[c]++
			space[n] = c
			n++
		}
	}
	return damaged("bzip2 block with %d selectors, which are too few", len(k.selectors))
}

// repeat fills p with the first byte of the list.
func (k *bzip2Block) repeat(p []byte) {
	c := byte(k.list.front)
	k.counts[c] += uint32(len(p))
	for i := range p {
		p[i] = c
	}
}

// bzip2List is the list of bytes of a block, the last one used first.
type bzip2List struct {
	front uint64 // the first 8 bytes, from the lowest bits on
	rest  [248]byte
}

// take moves the byte at a place to the front, and returns it.
func (l *bzip2List) take(place uint) byte {
	if place < 8 {
		below := uint64(1)<<(8*place) - 1
		c := l.front >> (8 * place) & 0xff
		l.front = l.front&^(below<<8|0xff) | l.front&below<<8 | c
		return byte(c)
	}
	c := l.rest[place-8]
	copy(l.rest[1:place-7], l.rest[:place-8])
	l.rest[0] = byte(l.front >> 56)
	l.front = l.front<<8 | uint64(c)
	return c
}
