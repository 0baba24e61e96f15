package gallery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// errArray means that a member is no array that can be shown.
var errArray = errors.New("not an array that can be shown")

// mostArrayHeader is how many bytes the header of an array may have.
const mostArrayHeader = 64 << 10

// array is what the header of a .npy file says.
type array struct {
	dtype   string // as NumPy names it: "<f4"
	shape   []int
	fortran bool // columns first
}

// String returns type and shape, as "float32 3×224×224".
func (a array) String() string {
	var sizes []string
	for _, n := range a.shape {
		sizes = append(sizes, strconv.Itoa(n))
	}
	return strings.TrimSpace(a.name() + " " + strings.Join(sizes, "×"))
}

// name returns the type in words.
func (a array) name() string {
	if len(a.dtype) < 3 {
		return a.dtype
	}
	size, err := strconv.Atoi(a.dtype[2:])
	if err != nil || size > 64 {
		return a.dtype
	}
	switch a.dtype[1] {
	case 'f':
		return "float" + strconv.Itoa(8*size)
	case 'i':
		return "int" + strconv.Itoa(8*size)
	case 'u':
		return "uint" + strconv.Itoa(8*size)
	case 'c':
		return "complex" + strconv.Itoa(8*size)
	case 'b':
		return "bool"
	}
	return a.dtype
}

// The entries of a header, which is the text of a dictionary in Python.
var (
	descrEntry   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=]?[a-zA-Z][0-9]*)'`)
	fortranEntry = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	shapeEntry   = regexp.MustCompile(`'shape'\s*:\s*\(([0-9, L]*)\)`)
)

// arrayHeader reads the header of a .npy file.
func arrayHeader(r io.Reader) (a array, err error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[:6]) != "\x93NUMPY" {
		return a, errArray
	}
	var size uint32
	if start[6] == 1 {
		var n uint16
		err = binary.Read(r, binary.LittleEndian, &n)
		size = uint32(n)
	} else {
		err = binary.Read(r, binary.LittleEndian, &size)
	}
	if err != nil || size > mostArrayHeader {
		return a, errArray
	}
	header := make([]byte, size)
	if _, err := io.ReadFull(r, header); err != nil {
		return a, errArray
	}
	descr, fortran := descrEntry.FindSubmatch(header), fortranEntry.FindSubmatch(header)
	shape := shapeEntry.FindSubmatch(header)
	if descr == nil || fortran == nil || shape == nil {
		return a, fmt.Errorf("%w: its fields have names, or its header is damaged", errArray)
	}
	a.dtype, a.fortran = string(descr[1]), string(fortran[1]) == "True"
	if !strings.ContainsAny(a.dtype[:1], "<>|=") {
		a.dtype = "|" + a.dtype
	}
	for text := range strings.SplitSeq(string(shape[1]), ",") {
		if text = strings.Trim(text, " L"); text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return a, errArray
		}
		a.shape = append(a.shape, n)
	}
	return a, nil
}
