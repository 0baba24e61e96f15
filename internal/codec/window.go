package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// The data after a checkpoint refers to few bytes of the 32 KiB before it: 2 % of them in a shard of JPEG. All others
// are replaced by zeros, and the window is compressed with zstd; in such a shard that makes it 80 times smaller.

// sparsifier finds the needed bytes of windows. It is not safe for concurrent use.
type sparsifier struct {
	inflater io.Reader
	zstd     *zstd.Encoder
	marks    *marks
	marked   [maxWindow]byte
	got      [sparseLook]byte
	kept     [maxWindow]byte

	// Buffers for the caller, for the arguments of sparse.
	plain  [sparseLook]byte
	stored [maxStored]byte
}

func newSparsifier(m *marks) *sparsifier {
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)) // fails only for a wrong option
	return &sparsifier{inflater: flate.NewReader(bytes.NewReader(nil)), zstd: enc, marks: m}
}

// marks are numbers of 7 bits, one for each place in a window, such that no sequence of three occurs twice.
type marks struct {
	of [maxWindow]byte
	at []uint16 // for three marks in a row, the place of the first plus 1; 0 if they do not occur
}

func newMarks() *marks {
	m := &marks{at: make([]uint16, 1<<21)}
	x, three := uint32(1), uint32(0)
	for i := range m.of {
		x = x*1664525 + 1013904223 // any pseudo-random sequence will do
		next := x >> 25
		for i >= 2 && m.at[three<<7&(1<<21-1)|next] != 0 {
			next = (next + 1) & 0x7f
		}
		three = (three<<7 | next) & (1<<21 - 1)
		m.of[i] = byte(next)
		if i >= 2 {
			m.at[three] = uint16(i - 2 + 1)
		}
	}
	return m
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

// maxStored is how many compressed bytes sparse needs at most for sparseLook plain ones.
const maxStored = 48 << 10

// sparseLook is how many plain bytes after a checkpoint sparse looks at: as many as can come from the window, and two
// more, because a copy has at least three bytes.
const sparseLook = maxWindow + 2

// sparse returns a window made sparse and compressed, or nil if nothing in it is needed. stored are the compressed
// bytes from the checkpoint on, of which the first bit bits belong to earlier data; plain is their plain bytes,
// sparseLook of them unless the data ends earlier.
//
// The contents of the window never change how deflate data is decoded, and data more than maxWindow bytes after the
// checkpoint cannot refer to the window. So sparse decodes the data with another window that holds marks. The top bit
// of each mark is the opposite of that in the true window, so that every byte differs. Where the result differs from
// the plain bytes, a byte was copied from the window, directly or through other copies. A copy has at least three
// bytes, and three marks identify its source. The exception are the last two bytes of the window, where a copy can
// continue into the bytes after it; they are always kept. Two adjacent copies may look like a third one; then a few
// bytes too many are kept.
func (s *sparsifier) sparse(window []byte, stored []byte, bit uint8, plain []byte) []byte {
	for i, b := range window {
		s.marked[i] = s.marks.of[i] | ^b&0x80
	}
	plain = plain[:min(len(plain), sparseLook)]
	n, err := s.decode(s.got[:len(plain)], s.marked[:len(window)], stored, bit)
	if err != nil {
		return s.pack(window)
	}
	kept := s.kept[:len(window)]
	clear(kept)
	used, run, three := false, 0, uint32(0)
	for i, b := range plain[:n] {
		got := s.got[i]
		if got == b {
			run = 0
			continue
		}
		used = true
		three = (three<<7 | uint32(got&0x7f)) & (1<<21 - 1)
		if run++; run < 3 {
			continue
		}
		if at := int(s.marks.at[three]) - 1; at >= 0 && at+3 <= len(window) {
			copy(kept[at:at+3], window[at:])
		}
	}
	if !used {
		return nil
	}
	tail := max(0, len(window)-2)
	copy(kept[tail:], window[tail:])
	return s.pack(kept)
}

// decode decodes the stored bytes with a window into p, and returns how many bytes it has filled. They are fewer than
// len(p) only at the end of the deflate data; too few stored bytes are an error.
func (s *sparsifier) decode(p, window, stored []byte, bit uint8) (int, error) {
	at := flate.InflateCheckpoint{BitOffset: bit, Window: window}
	err := s.inflater.(resumer).ResetCP(bytes.NewReader(stored), at)
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(p) {
		m, err := s.inflater.Read(p[n:])
		n += m
		if err == io.EOF {
			break
		}
		if err != nil && n < len(p) {
			return n, err
		}
	}
	return n, nil
}

// pack compresses a window.
func (s *sparsifier) pack(window []byte) []byte { return s.zstd.EncodeAll(window, nil) }

// unpacker decompresses windows. It is safe for concurrent use.
type unpacker struct{ zstd *zstd.Decoder }

func newUnpacker() unpacker {
	dec, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow)) // fails only for a wrong option
	return unpacker{dec}
}

// window decompresses the result of sparse or rawWindow.
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
