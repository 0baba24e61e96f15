//go:build !purego

package inflate

import (
	"encoding/binary"
	"unsafe"
)

// The functions here do not check bounds: a caller must know that what the comment of a function says is true. They go
// through arrays of bytes, which may be at any address, and package encoding/binary, which knows the byte order; a compiler
// makes one instruction of that where the machine has it.

// load64 returns 8 bytes of p, the first one the lowest. 0 <= i and i+8 <= len(p).
func load64(p []byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(p)), i))[:])
}

// store64 stores 8 bytes in p. 0 <= i and i+8 <= len(p).
func store64(p []byte, i int, v uint64) {
	binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(p)), i))[:], v)
}

// store8 stores a byte in p. 0 <= i < len(p).
func store8(p []byte, i int, v byte) {
	*(*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(p)), i)) = v
}

// copy16 copies 16 bytes of p, of which all are read before one is written. 0 <= to, from, and both + 16 <= len(p).
func copy16(p []byte, to, from int) {
	b := unsafe.Pointer(unsafe.SliceData(p))
	*(*[16]byte)(unsafe.Add(b, to)) = *(*[16]byte)(unsafe.Add(b, from))
}
