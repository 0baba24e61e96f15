package codec

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/klauspost/compress/zstd"

	"github.com/shardfs/shardfs/internal/codec/inflate"
)

// The data after a checkpoint refers to few bytes of the 32 KiB before it: 2 % of them in a shard of JPEG. All others
// are replaced by zeros, and the window is compressed with zstd; in such a shard that makes it 80 times smaller.

// copies are copies of plain bytes, in order.
type copies []copied

// copied is one of them.
type copied struct {
	to   int64 // plain offset
	dist uint16
	n    uint16
}

// maxCopies is how many are kept, because a checkpoint may still be placed before them.
const maxCopies = 256 << 10

// add appends those of list, which are in the plain bytes from out on, that begin before a plain offset.
func (c *copies) add(out int64, list []inflate.Copy, before int64) {
	for _, l := range list {
		if to := out + int64(l.At); to-int64(l.Dist) < before {
			*c = append(*c, copied{to, l.Dist, l.Len})
		}
	}
}

// from returns those that are at a plain offset or after it.
func (c copies) from(out int64) copies {
	return c[sort.Search(len(c), func(i int) bool { return c[i].to >= out }):]
}

// drop removes those that are before a plain offset.
func (c *copies) drop(before int64) { *c = c.from(before) }

// sparsifier makes windows sparse. It is not safe for concurrent use.
type sparsifier struct {
	zip  *zstd.Encoder
	kept [maxWindow]byte
}

func newSparsifier() *sparsifier {
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)) // fails only for a wrong option
	return &sparsifier{zip: enc}
}

// sparse returns a window before a plain offset in which the bytes are zeros that none of the copies after it needs, or
// nil if they need none. It is valid until the next call.
func (s *sparsifier) sparse(window []byte, out int64, list copies) []byte {
	kept, used := s.kept[:len(window)], false
	clear(kept)
	for _, c := range list.from(out) {
		if c.to >= out+maxWindow {
			break
		}
		if begin := len(window) - int(out-c.to) - int(c.dist); begin >= 0 && begin < len(window) {
			copy(kept[begin:min(begin+int(c.n), len(window))], window[begin:])
			used = true
		}
	}
	if !used {
		return nil
	}
	return kept
}

// pack compresses a window. Of an empty one nothing is left.
func (s *sparsifier) pack(window []byte) []byte {
	if len(window) == 0 {
		return nil
	}
	return s.zip.EncodeAll(window, nil)
}

// rawWindow returns a window as a zstd frame with one uncompressed block, the form in which it is kept until it is made
// sparse. The window is at the end of the frame.
func rawWindow(window []byte) []byte {
	f := make([]byte, 0, 12+len(window))
	f = append(f, "\x28\xb5\x2f\xfd\xa0"...) // the magic number, and flags: 4 bytes of size follow, and no window size
	f = binary.LittleEndian.AppendUint32(f, uint32(len(window)))
	block := uint32(len(window))<<3 | 1 // the last block
	f = append(f, byte(block), byte(block>>8), byte(block>>16))
	return append(f, window...)
}

// unpacker decompresses windows. It is safe for concurrent use.
type unpacker struct{ zstd *zstd.Decoder }

func newUnpacker() unpacker {
	dec, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow)) // fails only for a wrong option
	return unpacker{dec}
}

// window decompresses the result of pack or rawWindow.
func (u unpacker) window(kept []byte) ([]byte, error) {
	if len(kept) == 0 {
		return nil, nil
	}
	w, err := u.zstd.DecodeAll(kept, make([]byte, 0, maxWindow))
	if err != nil {
		return nil, fmt.Errorf("%w: window of a checkpoint: %w", ErrDamaged, err)
	}
	if len(w) > maxWindow {
		return nil, fmt.Errorf("%w: window of a checkpoint of %d bytes", ErrDamaged, len(w))
	}
	return w, nil
}
