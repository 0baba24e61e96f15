package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/shardfs/shardfs/internal/codec/lzma2"
)

// xzHead is what the header of a block states.
type xzHead struct {
	size       int    // of the header, in bytes
	dictionary uint32 // size in bytes
	packed     int64  // size of the chunks in bytes; -1 if it is not stated
	plain      int64  // number of plain bytes; -1 if it is not stated
}

// parseXZHead returns what a sound header of a block without other filters than LZMA2 states; ok is false for others.
func parseXZHead(b []byte) (h xzHead, ok bool) {
	h = xzHead{size: len(b), packed: -1, plain: -1}
	end := len(b) - 4
	if crc32.ChecksumIEEE(b[:end]) != binary.LittleEndian.Uint32(b[end:]) || b[1]&0x3f != 0 {
		return h, false
	}
	rest := b[2:end]
	for _, size := range []struct {
		flag byte
		to   *int64
	}{{0x40, &h.packed}, {0x80, &h.plain}} {
		if b[1]&size.flag == 0 {
			continue
		}
		x, n := binary.Uvarint(rest)
		if n <= 0 || n > 9 || n > 1 && rest[n-1] == 0 {
			return h, false
		}
		*size.to, rest = int64(x), rest[n:]
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || rest[2] >= 40 || len(bytes.Trim(rest[3:], "\x00")) > 0 {
		return h, false
	}
	h.dictionary = (2 | uint32(rest[2]&1)) << (rest[2]/2 + 11)
	return h, h.packed != 0
}

// xzChunks decodes the chunks of a block, and compares it with its check and with what its header states.
type xzChunks struct {
	in       *input
	head     xzHead
	check    int // an index in xzChecks
	decoder  lzma2.Decoder
	data     [lzma2.MaxData]byte
	window   []byte // plain bytes: what chunks may refer to, and at the end those that are not returned yet
	ready    int    // where these begin
	sum      hash.Hash
	unpadded uint64 // length of the block so far, without the padding before the check
	plain    uint64
	whole    bool  // the window keeps the whole block, which is as long as its header states, or is not sound
	err      error // comes after the plain bytes that are ready
}

// open begins a block, after its header.
func (x *xzChunks) open(in *input, head xzHead, check int) {
	x.in, x.head, x.check, x.err = in, head, check, nil
	x.whole = false
	x.window, x.ready, x.plain, x.unpadded = x.window[:0], 0, 0, uint64(head.size)
	x.decoder.Reset(head.dictionary)
	x.sum = newXZSum(check)
}

// newXZSum returns what computes a check; nil for none.
func newXZSum(check int) hash.Hash {
	switch xzChecks[check].size {
	case 4:
		return crc32.NewIEEE()
	case 8:
		return crc64.New(crc64.MakeTable(crc64.ECMA))
	case 32:
		return sha256.New()
	}
	return nil
}

// Read returns plain bytes, and io.EOF at the end of a sound block.
func (x *xzChunks) Read(p []byte) (int, error) {
	for x.ready == len(x.window) {
		if x.err != nil {
			return 0, x.err
		}
		if x.err = x.next(); x.err == errXZEnd {
			x.err = io.EOF
		} else if x.err == io.EOF {
			x.err = io.ErrUnexpectedEOF
		}
	}
	return x.copy(p), nil
}

// copy returns plain bytes that have been decoded.
func (x *xzChunks) copy(p []byte) int {
	n := copy(p, x.window[x.ready:])
	x.ready += n
	return n
}

// errXZEnd is the end of a sound block, in contrast to that of the input.
var errXZEnd = errors.New("end of a block")

// next decodes the next chunk, or reads the end of the block. All plain bytes have been returned.
func (x *xzChunks) next() error {
	chunk, err := x.peek()
	if err != nil {
		return err
	}
	x.in.br.Discard(chunk.Head)
	x.unpadded += uint64(chunk.Head)
	if chunk.Plain == 0 {
		return x.close()
	}
	if x.whole && len(x.window)+chunk.Plain > int(x.head.plain) {
		return damaged("xz block is longer than its header states")
	}
	n, err := io.ReadFull(x.in.br, x.data[:chunk.Data])
	x.unpadded += uint64(n)
	x.makeRoom(chunk.Plain)
	var failed error
	if x.window, failed = x.decoder.Decode(x.window, chunk, x.data[:n]); err == nil {
		err = failed
	}
	if err == lzma2.ErrDamaged {
		err = damaged("%w", err)
	}
	plain := x.window[x.ready:]
	x.plain += uint64(len(plain))
	if x.sum != nil {
		x.sum.Write(plain)
	}
	return err
}

// peek returns the next chunk.
func (x *xzChunks) peek() (c lzma2.Chunk, err error) {
	head, err := x.in.br.Peek(1)
	if err == nil {
		head, err = x.in.br.Peek(lzma2.HeadSize(head[0]))
	}
	if err != nil {
		return c, err
	}
	if c, err = lzma2.ParseHead(head); err != nil {
		return c, damaged("%w", err)
	}
	return c, nil
}

// makeRoom makes room for plain bytes in the window. It drops bytes that are too far back, seldom, and grows with what is
// decoded: a block that states a large dictionary may be short.
func (x *xzChunks) makeRoom(n int) {
	most := int(x.head.dictionary) + max(int(x.head.dictionary)/4, lzma2.MaxPlain)
	if x.whole {
		most = int(x.head.plain)
	}
	if len(x.window)+n > most {
		kept := copy(x.window, x.window[len(x.window)-int(x.head.dictionary):])
		x.window = x.window[:kept]
	}
	if need := len(x.window) + n; need > cap(x.window) {
		x.window = append(make([]byte, 0, min(most, max(need, 2*cap(x.window)))), x.window...)
	}
	x.ready = len(x.window)
}

// close reads the end of the block. It returns errXZEnd if it is sound.
func (x *xzChunks) close() error {
	packed := int64(x.unpadded) - int64(x.head.size)
	if x.head.packed >= 0 && x.head.packed != packed || x.head.plain >= 0 && uint64(x.head.plain) != x.plain {
		return damaged("xz block of %d bytes with %d plain ones, not as its header states", packed, x.plain)
	}
	size := int(xzChecks[x.check].size)
	pad := int(-x.unpadded & 3)
	end, err := x.in.br.Peek(pad + size)
	if err != nil {
		return err
	}
	if len(bytes.Trim(end[:pad], "\x00")) > 0 {
		return damaged("padding of an xz block is not zero")
	}
	if x.sum != nil {
		want := bytes.Clone(end[pad:])
		if size < sha256.Size { // the other checks are the lowest byte first
			for i := range size / 2 {
				want[i], want[size-1-i] = want[size-1-i], want[i]
			}
		}
		if got := x.sum.Sum(nil); !bytes.Equal(got, want) {
			return damaged("check %x of an xz block, want %x", got, want)
		}
	}
	x.in.br.Discard(pad + size)
	x.unpadded += uint64(size)
	return errXZEnd
}
