package codec

import (
	"encoding/binary"
	"io"
)

// xzBlock reads one block of xz as a stream of its own. A block does not always state its length, but the chunks of
// LZMA2 in it do.
type xzBlock struct {
	in       *input
	check    int    // an index in xzChecks
	made     []byte // to be returned first
	left     int    // bytes of in to be returned after made
	next     xzPart // what comes after that
	unpadded uint64 // length of the block, without the padding before the check
	plain    uint64
	err      error
}

// xzPart is a part of a block, or of what is made up after it.
type xzPart uint8

const (
	xzChunk xzPart = iota
	xzCheck        // with the padding before it
	xzRest         // the index and the footer of the stream
	xzEnd
)

// openXZBlock prepares to read a block whose header has size bytes.
func openXZBlock(in *input, size, check int) xzBlock {
	return xzBlock{in: in, check: check, made: appendXZHeader(nil, check), left: size, unpadded: uint64(size)}
}

func (b *xzBlock) Read(p []byte) (n int, err error) {
	for len(b.made) == 0 && b.left == 0 && b.err == nil {
		if b.next == xzEnd {
			return 0, io.EOF
		}
		b.err = b.prepare()
	}
	if len(b.made) > 0 {
		n = copy(p, b.made)
		b.made = b.made[n:]
		return n, nil
	}
	if b.err == nil {
		n, b.err = b.in.br.Read(p[:min(len(p), b.left)])
		b.left -= n
	}
	return n, b.err
}

// prepare begins the next part.
func (b *xzBlock) prepare() (err error) {
	switch b.next {
	case xzChunk:
		var plain int
		b.left, plain, err = peekXZChunk(b.in)
		b.unpadded += uint64(b.left)
		b.plain += uint64(plain)
		if plain == 0 {
			b.next = xzCheck
		}
	case xzCheck:
		size := int(xzChecks[b.check].size)
		b.left = int(-b.unpadded&3) + size
		b.unpadded += uint64(size)
		b.next = xzRest
	case xzRest:
		b.made = appendXZIndex(nil, b.unpadded, b.plain)
		b.made = appendXZFooter(b.made, len(b.made), b.check)
		b.next = xzEnd
	}
	return err
}

// peekXZChunk returns the size in bytes of the next chunk of LZMA2, and how many plain bytes it holds: none if it is
// the end of the block.
func peekXZChunk(in *input) (size, plain int, err error) {
	head, err := in.br.Peek(1)
	if err != nil {
		return 0, 0, err
	}
	control := head[0]
	switch {
	case control == 0:
		return 1, 0, nil
	case control <= 2: // stored
		if head, err = in.br.Peek(3); err != nil {
			return 0, 0, err
		}
		plain = int(binary.BigEndian.Uint16(head[1:])) + 1
		return 3 + plain, plain, nil
	case control < 0x80:
		return 0, 0, damaged("LZMA2 chunk of kind %02x", control)
	}
	if head, err = in.br.Peek(5); err != nil {
		return 0, 0, err
	}
	plain = int(control&0x1f)<<16 + int(binary.BigEndian.Uint16(head[1:])) + 1
	size = 5 + int(binary.BigEndian.Uint16(head[3:])) + 1
	if control >= 0xc0 { // new properties
		size++
	}
	return size, plain, nil
}
