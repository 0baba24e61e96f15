//go:build purego

package inflate

import "encoding/binary"

// The same as in words.go, with checks.

func load64(p []byte, i int) uint64 { return binary.LittleEndian.Uint64(p[i:]) }

func store64(p []byte, i int, v uint64) { binary.LittleEndian.PutUint64(p[i:], v) }

func store8(p []byte, i int, v byte) { p[i] = v }

func copy16(p []byte, to, from int) { copy(p[to:to+16], p[from:from+16]) }
