// Package lzma2 decodes LZMA2, the compression of xz, chunk by chunk into memory.
//
// A chunk is up to 64 KiB of compressed bytes, or as many stored ones, and up to 2 MiB of plain bytes. It refers to plain
// bytes of the chunks before it, as far back as the dictionary is long; where those are kept is up to the caller. The
// first byte of a chunk, its control byte, says what it resets; a chunk that resets the dictionary refers to nothing
// before it.
//
// Bits that cannot be predicted are decoded without branches (see rangecoder.go), which is why this package exists: of
// pictures, most are such.
package lzma2

import (
	"encoding/binary"
	"errors"
	"io"
)

// Sizes in bytes.
const (
	MaxHead  = 6       // of the head of a chunk
	MaxData  = 1 << 16 // of the data of a chunk
	MaxPlain = 2 << 20 // of its plain bytes
)

// ErrDamaged means that no encoder writes such a chunk.
var ErrDamaged = errors.New("damaged LZMA2")

// Chunk is what the head of a chunk states.
type Chunk struct {
	Head  int // size of the head
	Data  int // size of what comes after it
	Plain int // number of plain bytes; 0 means that this is the end

	control, props byte
}

// HeadSize returns the size of the head that begins with a control byte.
func HeadSize(control byte) int {
	switch {
	case control == 0:
		return 1
	case control < 0x80:
		return 3
	case control < 0xc0:
		return 5
	}
	return 6
}

// ParseHead returns the chunk whose head begins with these bytes, at least HeadSize of the first of them.
func ParseHead(b []byte) (Chunk, error) {
	c := Chunk{Head: HeadSize(b[0]), control: b[0]}
	switch {
	case c.control == 0:
	case c.control <= 2:
		c.Plain = int(binary.BigEndian.Uint16(b[1:])) + 1
		c.Data = c.Plain
	case c.control < 0x80:
		return c, ErrDamaged
	default:
		c.Plain = int(c.control&0x1f)<<16 + int(binary.BigEndian.Uint16(b[1:])) + 1
		c.Data = int(binary.BigEndian.Uint16(b[3:])) + 1
		if c.Head == 6 {
			c.props = b[5]
		}
	}
	return c, nil
}

// Decoder decodes the chunks of a stream. It is not safe for concurrent use.
type Decoder struct {
	model
	in        input
	size      uint64 // of the dictionary
	full      uint64 // plain bytes since it was reset
	started   bool   // the dictionary has been reset
	needProps bool
}

// Reset makes d decode a stream whose dictionary has size bytes.
func (d *Decoder) Reset(size uint32) {
	d.size, d.full, d.started, d.needProps = uint64(size), 0, false, true
}

// Decode appends the plain bytes of a chunk to dst, which must have room for them. Data are the bytes after its head.
// The end of dst must be the plain bytes before the chunk: all since the dictionary was reset, or as many as it is long.
// If there are fewer data than the chunk has, Decode appends what it can and returns io.ErrUnexpectedEOF. It appends
// what comes before damage, too.
func (d *Decoder) Decode(dst []byte, c Chunk, data []byte) ([]byte, error) {
	if err := d.begin(c); err != nil {
		return dst, err
	}
	from := len(dst)
	to := from + c.Plain
	if c.control < 0x80 {
		dst = append(dst, data...)
		d.full += uint64(len(data))
		if len(data) < c.Data {
			return dst, io.ErrUnexpectedEOF
		}
		return dst, nil
	}
	clear(d.in[copy(d.in[:], data):][:inputSlack])
	n, sound := d.decode(dst[:to], from, len(data))
	d.full += uint64(n - from)
	switch {
	case sound:
		return dst[:n], nil
	case len(data) < c.Data:
		return dst[:n], io.ErrUnexpectedEOF
	}
	return dst[:n], ErrDamaged
}

// begin resets what a chunk does.
func (d *Decoder) begin(c Chunk) error {
	switch {
	case c.control >= 0xe0 || c.control == 1:
		d.full, d.started, d.needProps = 0, true, true
	case !d.started:
		return ErrDamaged
	}
	switch {
	case c.control < 0x80:
		return nil
	case c.control >= 0xc0:
		if !d.model.set(c.props) {
			return ErrDamaged
		}
		d.needProps = false
	case d.needProps:
		return ErrDamaged
	case c.control >= 0xa0:
		d.model.reset()
	}
	return nil
}
