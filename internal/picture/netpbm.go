package picture

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
)

// netpbm is the header of a picture of Netpbm.
type netpbm struct {
	kind          byte // '1' to '6', as in its magic number
	width, height int
	max           int // value of white, 1 for a bitmap
}

var errNetpbm = errors.New("its header is not one of Netpbm")

// netpbmFormat returns the format of what begins with head, or "".
func netpbmFormat(head []byte) string {
	if len(head) < 3 || head[0] != 'P' || !isSpace(head[2]) && head[2] != '#' {
		return ""
	}
	switch head[1] {
	case '1', '4':
		return "pbm"
	case '2', '5':
		return "pgm"
	case '3', '6':
		return "ppm"
	}
	return ""
}

// readNetpbm reads a header, up to the first byte of the pixels.
func readNetpbm(r io.ByteReader) (h netpbm, err error) {
	p, err := r.ReadByte()
	if err == nil {
		h.kind, err = r.ReadByte()
	}
	if err != nil || p != 'P' || h.kind < '1' || h.kind > '6' {
		return h, errors.Join(errNetpbm, unexpected(err))
	}
	h.max = 1
	for _, n := range []*int{&h.width, &h.height, &h.max} {
		if n == &h.max && (h.kind == '1' || h.kind == '4') {
			break
		}
		if *n, err = number(r); err != nil {
			return h, err
		}
	}
	if h.max < 1 || h.max > math.MaxUint16 {
		return h, fmt.Errorf("%w: its white is %d", errNetpbm, h.max)
	}
	return h, nil
}

// number reads a decimal number, what is before it, and the one byte after it.
func number(r io.ByteReader) (n int, err error) {
	digits, comment := 0, false
	for {
		c, err := r.ReadByte()
		if err == io.EOF && digits > 0 {
			return n, nil // the last number of a plain one
		}
		switch {
		case err != nil:
			return 0, unexpected(err)
		case comment:
			comment = c != '\n' && c != '\r'
		case c >= '0' && c <= '9':
			n = 10*n + int(c-'0')
			if digits++; digits > 9 {
				return 0, errNetpbm
			}
		case digits > 0 && isSpace(c):
			return n, nil
		case c == '#':
			comment = true
		case !isSpace(c):
			return 0, errNetpbm
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// decodeNetpbm decodes a picture to 8 bits a channel.
func decodeNetpbm(r io.Reader) (image.Image, error) {
	in := bufio.NewReader(r)
	h, err := readNetpbm(in)
	if err != nil {
		return nil, err
	}
	bounds := image.Rect(0, 0, h.width, h.height)
	if h.kind == '3' || h.kind == '6' {
		m := image.NewRGBA(bounds)
		for i := range m.Pix {
			if i%4 == 3 {
				m.Pix[i] = 0xff
			} else if m.Pix[i], err = h.value(in); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	m := image.NewGray(bounds)
	if h.kind == '4' {
		return m, bits(m, in)
	}
	for i := range m.Pix {
		if m.Pix[i], err = h.value(in); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// value reads a value and scales it to a byte.
func (h netpbm) value(in *bufio.Reader) (byte, error) {
	if h.kind == '1' { // digits need no space between them, and 1 is black
		for {
			switch c, err := in.ReadByte(); {
			case err != nil:
				return 0, unexpected(err)
			case c == '0' || c == '1':
				return 0xff * ('1' - c), nil
			case !isSpace(c):
				return 0, errNetpbm
			}
		}
	}
	v := 0
	if h.kind < '4' {
		n, err := number(in)
		if err != nil {
			return 0, err
		}
		v = n
	} else {
		for i := 0; i == 0 || i == 1 && h.max > 0xff; i++ {
			c, err := in.ReadByte()
			if err != nil {
				return 0, unexpected(err)
			}
			v = v<<8 | int(c)
		}
	}
	return byte((min(v, h.max)*0xff + h.max/2) / h.max), nil
}

// bits reads rows of bits, of which 1 is black.
func bits(m *image.Gray, in *bufio.Reader) error {
	row := make([]byte, (m.Rect.Dx()+7)/8)
	for y := range m.Rect.Dy() {
		if _, err := io.ReadFull(in, row); err != nil {
			return unexpected(err)
		}
		for x := range m.Rect.Dx() {
			if row[x/8]>>(7-x%8)&1 == 0 {
				m.Pix[y*m.Stride+x] = 0xff
			}
		}
	}
	return nil
}

// byteReader reads single bytes, and no more than it returns.
type byteReader struct{ from io.Reader }

// ReadByte reads the next byte.
func (b *byteReader) ReadByte() (byte, error) {
	var c [1]byte
	_, err := io.ReadFull(b.from, c[:])
	return c[0], err
}
