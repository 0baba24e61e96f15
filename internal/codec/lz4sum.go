package codec

import (
	"encoding/binary"
	"math/bits"
)

// Primes of XXH32.
const (
	xxh1 uint32 = 2654435761
	xxh2 uint32 = 2246822519
	xxh3 uint32 = 3266489917
	xxh4 uint32 = 668265263
	xxh5 uint32 = 374761393
)

// xxh32 computes the checksum of lz4 frames: XXH32 with seed 0.
type xxh32 struct {
	lanes [4]uint32
	rest  [16]byte // its first size%16 bytes are not in lanes yet
	size  uint64
}

func newXXH32() xxh32 {
	a, b := xxh1, xxh2 // not constants, so that they may overflow
	return xxh32{lanes: [4]uint32{a + b, b, 0, -a}}
}

// sumXXH32 returns the sum of b.
func sumXXH32(b []byte) uint32 {
	x := newXXH32()
	x.add(b)
	return x.sum()
}

// add appends b to the summed bytes.
func (x *xxh32) add(b []byte) {
	held := int(x.size % 16)
	x.size += uint64(len(b))
	if held > 0 {
		n := copy(x.rest[held:], b)
		if held+n < 16 {
			return
		}
		b = b[n:]
		x.mix(x.rest[:])
	}
	copy(x.rest[:], x.mix(b))
}

// mix sums as many bytes of b as it can and returns the rest.
func (x *xxh32) mix(b []byte) []byte {
	l0, l1, l2, l3 := x.lanes[0], x.lanes[1], x.lanes[2], x.lanes[3]
	for ; len(b) >= 16; b = b[16:] {
		l0 = bits.RotateLeft32(l0+binary.LittleEndian.Uint32(b)*xxh2, 13) * xxh1
		l1 = bits.RotateLeft32(l1+binary.LittleEndian.Uint32(b[4:])*xxh2, 13) * xxh1
		l2 = bits.RotateLeft32(l2+binary.LittleEndian.Uint32(b[8:])*xxh2, 13) * xxh1
		l3 = bits.RotateLeft32(l3+binary.LittleEndian.Uint32(b[12:])*xxh2, 13) * xxh1
	}
	x.lanes = [4]uint32{l0, l1, l2, l3}
	return b
}

// sum returns the sum of all bytes so far.
func (x *xxh32) sum() uint32 {
	h := x.lanes[2] + xxh5
	if x.size >= 16 {
		h = bits.RotateLeft32(x.lanes[0], 1) + bits.RotateLeft32(x.lanes[1], 7) +
			bits.RotateLeft32(x.lanes[2], 12) + bits.RotateLeft32(x.lanes[3], 18)
	}
	h += uint32(x.size)
	rest := x.rest[:x.size%16]
	for ; len(rest) >= 4; rest = rest[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(rest)*xxh3, 17) * xxh4
	}
	for _, c := range rest {
		h = bits.RotateLeft32(h+uint32(c)*xxh5, 11) * xxh1
	}
	h = (h ^ h>>15) * xxh2
	h = (h ^ h>>13) * xxh3
	return h ^ h>>16
}
