package remote

import (
	"io"
)

// From returns the content without its first n bytes. It has no checksum.
func (c *Content) From(n int64) *Content {
	return &Content{ReaderAt: io.NewSectionReader(c, n, c.Size-n), Size: c.Size - n}
}

// Between returns the content between two texts. It has no checksum.
func (c *Content) Between(before, after string) *Content {
	j := joined{BytesContent([]byte(before)), c, BytesContent([]byte(after))}
	return &Content{ReaderAt: j, Size: int64(len(before)) + c.Size + int64(len(after))}
}

// joined are contents one after the other.
type joined []*Content

// ReadAt implements [io.ReaderAt].
func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	for _, c := range j {
		if want := min(int64(len(p)-n), c.Size-off); want > 0 {
			m, err := c.ReadAt(p[n:n+int(want)], off)
			n += m
			if int64(m) < want {
				return n, err
			}
			off += want
		}
		off -= c.Size
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WholeSum returns the CRC-32C of an object from those of its parts, and of the last one that was not sent yet.
func WholeSum(parts []Part, last *Content) uint32 {
	var sum uint32
	for _, p := range append(parts[:len(parts):len(parts)], Part{Size: last.Size, CRC32C: last.CRC32C}) {
		sum = shifted(sum, p.Size) ^ p.CRC32C
	}
	return sum
}

// shifted returns what a CRC-32C becomes by n bytes of zeros after those that it is of, as a summand of the CRC-32C of the
// whole: the polynomial times x to the power of 8n, by squaring.
func shifted(sum uint32, n int64) uint32 {
	power := uint32(1) << 23 // x to the power of 8: the coefficient of x^0 is the highest bit
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			sum = times(sum, power)
		}
		power = times(power, power)
	}
	return sum
}

// times multiplies two polynomials modulo that of CRC-32C.
func times(a, b uint32) (product uint32) {
	const polynomial = 0x82f63b78 // crc32.Castagnoli
	for bit := uint32(1) << 31; bit > 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		if b >>= 1; carry == 1 {
			b ^= polynomial
		}
	}
	return product
}
