package gallery

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"unicode/utf8"
)

// Sizes of pieces of members, in bytes.
const (
	mostHex  = 64 << 10
	mostText = 256 << 10
)

// piece returns the bytes of a member from the place that a request names, at most so many.
func (g *Gallery) piece(r *http.Request, n, m, most int) (piece []byte, size int64, err error) {
	from, err := parameter(r, "from", 0, math.MaxInt)
	if err != nil {
		return nil, 0, err
	}
	c, e, err := g.open(r, n, m)
	if err != nil {
		return nil, 0, err
	}
	defer c.Close()
	if int64(from) > c.size {
		return nil, 0, badRequest("from: the member has %d bytes", c.size)
	}
	piece = make([]byte, min(int64(most), c.size-int64(from)))
	read, err := c.ReadAt(piece, int64(from))
	if read < len(piece) && err != nil && err != io.EOF {
		return nil, 0, fmt.Errorf("%s: %w", e.name(m), err)
	}
	return piece[:read], c.size, nil
}

// hex answers with bytes of a member.
func (g *Gallery) hex(w http.ResponseWriter, r *http.Request, n, m int) error {
	piece, _, err := g.piece(r, n, m, mostHex)
	if err != nil {
		return err
	}
	send(w, r, "application/octet-stream", piece)
	return nil
}

// text answers with a member's bytes as text: the characters that begin in the piece of mostText bytes. What is not
// UTF-8 is replaced, character by character.
func (g *Gallery) text(w http.ResponseWriter, r *http.Request, n, m int) error {
	piece, _, err := g.piece(r, n, m, mostText+utf8.UTFMax)
	if err != nil {
		return err
	}
	start, end := 0, len(piece)
	if end > mostText {
		end = mostText + inCharacter(piece[mostText:])
	}
	if from := r.URL.Query().Get("from"); from != "" && from != "0" {
		start = inCharacter(piece)
	}
	piece = piece[min(start, end):end]
	send(w, r, "text/plain; charset=utf-8", bytes.ToValidUTF8(piece, []byte("\uFFFD")))
	return nil
}

// inCharacter returns how many bytes at the beginning continue a character.
func inCharacter(text []byte) (n int) {
	for n < utf8.UTFMax-1 && n < len(text) && !utf8.RuneStart(text[n]) {
		n++
	}
	return n
}

// Limits of arrays.
const (
	mostElements = 1000     // that are shown
	mostArray    = 64 << 20 // bytes that are read for the least and the largest
)

// arrayJSON is the answer to array.
type arrayJSON struct {
	Type   string   `json:"dtype"`
	Shape  []int    `json:"shape"`
	Values []any    `json:"values"` // numbers; "NaN", "Infinity" and "-Infinity" are texts
	Min    *float64 `json:"min"`    // of finite ones; null if there are none, or too many
	Max    *float64 `json:"max"`
	Order  string   `json:"order"` // "C", or "Fortran": the first index runs first
}

// array answers with what a member with an array holds.
func (g *Gallery) array(w http.ResponseWriter, r *http.Request, n, m int) error {
	c, e, err := g.open(r, n, m)
	if err != nil {
		return err
	}
	defer c.Close()
	content := c.reader()
	a, err := arrayHeader(content)
	if err != nil {
		return &requestError{http.StatusUnsupportedMediaType, fmt.Sprintf("%s: %v", e.name(m), err)}
	}
	out := arrayJSON{Type: a.name(), Shape: a.shape, Values: []any{}, Order: "C"}
	if a.shape == nil {
		out.Shape = []int{}
	}
	if a.fortran {
		out.Order = "Fortran"
	}
	start, _ := content.Seek(0, io.SeekCurrent) // of a section: no error
	if err := out.read(io.NewSectionReader(c, start, c.size-start), a, c.size-start); err != nil {
		return fmt.Errorf("%s: %w", e.name(m), err)
	}
	return answer(w, r, out)
}

// read reads the elements of an array.
func (out *arrayJSON) read(r io.Reader, a array, size int64) error {
	width, decode := a.decoder()
	if width == 0 {
		return nil
	}
	all := size <= mostArray
	if !all {
		r = io.LimitReader(r, mostElements*int64(width))
	}
	least, most := math.Inf(1), math.Inf(-1)
	buf := make([]byte, 4096*width)
	for {
		n, err := io.ReadFull(r, buf)
		for b := buf[:n-n%width]; len(b) > 0; b = b[width:] {
			v := decode(b[:width])
			if len(out.Values) < mostElements {
				out.Values = append(out.Values, element(v))
			}
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				least, most = min(least, v), max(most, v)
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if all && least <= most {
		out.Min, out.Max = &least, &most
	}
	return nil
}

// element returns a number for JSON.
func element(v float64) any {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return v
}

// decoder returns the width of an element in bytes, and what decodes one; 0 for elements that are not shown.
func (a array) decoder() (width int, decode func(b []byte) float64) {
	var order binary.ByteOrder = binary.LittleEndian
	if a.dtype[0] == '>' {
		order = binary.BigEndian
	}
	switch a.dtype[1:] {
	case "f2":
		return 2, func(b []byte) float64 { return half(order.Uint16(b)) }
	case "f4":
		return 4, func(b []byte) float64 { return float64(math.Float32frombits(order.Uint32(b))) }
	case "f8":
		return 8, func(b []byte) float64 { return math.Float64frombits(order.Uint64(b)) }
	case "i1":
		return 1, func(b []byte) float64 { return float64(int8(b[0])) }
	case "i2":
		return 2, func(b []byte) float64 { return float64(int16(order.Uint16(b))) }
	case "i4":
		return 4, func(b []byte) float64 { return float64(int32(order.Uint32(b))) }
	case "i8":
		return 8, func(b []byte) float64 { return float64(int64(order.Uint64(b))) }
	case "u1", "b1":
		return 1, func(b []byte) float64 { return float64(b[0]) }
	case "u2":
		return 2, func(b []byte) float64 { return float64(order.Uint16(b)) }
	case "u4":
		return 4, func(b []byte) float64 { return float64(order.Uint32(b)) }
	case "u8":
		return 8, func(b []byte) float64 { return float64(order.Uint64(b)) }
	}
	return 0, nil
}

// half returns a number of 16 bits: a sign, 5 bits of exponent and 10 of fraction.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 0x1f:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
