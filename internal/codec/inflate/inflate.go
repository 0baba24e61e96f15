// Package inflate decodes DEFLATE data, RFC 1951.
//
// A Reader has a buffer with the last 32 KiB of plain bytes, the window, and room for more, and returns parts of it. It stops
// where its input or its output does, at any bit. It also stops between blocks: there the position in the input, to the bit,
// and the window are all that is needed to continue, so another Reader can start from them. Of the window only few bytes are
// needed, mostly; a Reader tells which.
//
// Of the input exactly the stream is read: its next byte is then the one that follows. What zlib rejects is rejected, and
// nothing else. Memory does not depend on the data, and decoding allocates none.
//
// Most data is decoded by the loop in fast.go. It loads and stores whole words, and does not check bounds that are proven
// there, unless it is built with the tag purego. What it does not expect, and the last bytes of the input, are decoded by
// step, symbol by symbol.
package inflate

import (
	"bufio"
	"io"
)

// WindowSize is how many bytes back a copy can reach.
const WindowSize = 32 << 10

// bufferSize leaves room for about 96 KiB, so that moving the window to the front of the buffer takes little time.
const bufferSize = 128 << 10

// overrun is how many bytes a Reader may write after its limit: a copy of 258 bytes, in pieces of 16.
const overrun = 272

// Corrupt is the error for data that is not DEFLATE. Its text is the reason.
type Corrupt string

// Error implements error.
func (e Corrupt) Error() string { return "corrupt deflate data: " + string(e) }

// Reader decodes one DEFLATE stream. It is not safe for concurrent use.
type Reader struct {
	in    *bufio.Reader
	bit   uint8 // how many bits of the next byte of in are decoded
	state state
	last  bool // the block is the last one
	fixed bool // the tables are those of the fixed codes

	buf    []byte
	begun  int // start in buf of what the last call of Next has returned
	end    int // end of the plain bytes in buf
	read   int // end of those that Read has returned
	border int // where the block began that is being decoded; not below 0

	stored  int // bytes that are left of a stored block
	header  header
	lit     litTable
	dist    distTable
	copies  *[maxCopies]Copy // nil if they are not wanted
	ncopies int
	err     error // returned from all further calls of Next
}

// state is what comes next in the input.
type state uint8

const (
	atBlock state = iota
	atLength
	inStored
	atCounts
	inCodeLengths
	inLengths
	inData
	atEnd
)

// NewReader returns a Reader without input: Reset must be called.
func NewReader() *Reader { return &Reader{buf: make([]byte, bufferSize), err: io.ErrClosedPipe} }

// Reset makes z decode from the next byte of in, of which the first bit bits, 0 to 7, belong to earlier data. A block must
// begin there. window has the plain bytes before it, or as many as there are; bytes of it to which no copy refers can have
// any value. It is copied. in must not be used by others while z decodes.
func (z *Reader) Reset(in *bufio.Reader, bit uint8, window []byte) {
	z.in, z.bit, z.state, z.err = in, bit&7, atBlock, nil
	z.end = copy(z.buf, window[max(0, len(window)-WindowSize):])
	z.begun, z.read, z.border, z.ncopies = z.end, z.end, z.end, 0
}

// AtBlock reports whether a block begins right after what Next has returned, at a bit of the next byte of the input.
func (z *Reader) AtBlock() (bit uint8, ok bool) { return z.bit, z.state == atBlock }

// Window returns up to WindowSize bytes before the end of what Next has returned. They are valid until the next call.
func (z *Reader) Window() []byte { return z.buf[max(0, z.end-WindowSize):z.end] }

// Next decodes about most bytes, which must be at least 1, and returns them. They are valid until the next call. There may
// be up to 272 more. There are less where the input has no more without waiting, and at the end of a block, where there may be
// none. At the end of the stream the error is io.EOF; if the input ends before, it is io.ErrUnexpectedEOF; other errors are
// Corrupt or those of the input.
func (z *Reader) Next(most int) ([]byte, error) {
	z.ncopies = 0
	if z.end >= len(z.buf)-overrun {
		z.slide()
	}
	z.begun, z.read = z.end, z.end
	if z.err != nil {
		return nil, z.err
	}
	limit := z.end + min(most, len(z.buf)-overrun-z.end)
	for {
		have, _ := z.in.Peek(z.in.Buffered())
		more := z.advance(have, limit)
		if z.end == z.begun && z.err != nil {
			return nil, z.err
		}
		if z.end > z.begun || z.state == atBlock && !more {
			return z.buf[z.begun:z.end], nil
		}
		if more {
			z.wait()
		}
	}
}

// wait waits for one more byte of input than is buffered.
func (z *Reader) wait() {
	_, err := z.in.Peek(z.in.Buffered() + 1)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	z.err = err
}

// slide moves the window to the front of the buffer.
func (z *Reader) slide() {
	by := z.end - WindowSize
	copy(z.buf, z.buf[by:z.end])
	z.end -= by
	z.border = max(0, z.border-by)
}

// Read implements io.Reader. It returns what the calls of Next that it makes itself have returned.
func (z *Reader) Read(p []byte) (int, error) {
	for z.read == z.end && len(p) > 0 {
		if _, err := z.Next(len(p)); err != nil {
			return 0, err
		}
		z.read = z.begun
	}
	n := copy(p, z.buf[z.read:z.end])
	z.read += n
	return n, nil
}
