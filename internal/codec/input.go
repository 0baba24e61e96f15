package codec

import (
	"bufio"
	"io"
)

// input is buffered compressed input with its offset.
type input struct {
	br  *bufio.Reader
	r   io.Reader
	end int64 // compressed offset of the end of br's buffer
}

// inputBuffer is how many bytes are read at once, and so the most that are read in vain.
const inputBuffer = 64 << 10

// reset makes in read from r, whose first byte is at the compressed offset off.
func (in *input) reset(r io.Reader, off int64) {
	in.r, in.end = r, off
	if in.br == nil {
		in.br = bufio.NewReaderSize(in, inputBuffer)
	} else {
		in.br.Reset(in)
	}
}

// Read fills the buffer br. It is for br only.
func (in *input) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	in.end += int64(n)
	return n, err
}

// offset returns the compressed offset of the next byte.
func (in *input) offset() int64 { return in.end - int64(in.br.Buffered()) }
