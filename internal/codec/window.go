package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// Of a window of 32 KiB the data behind a checkpoint mostly refers to little: in a shard of JPEG to 2 %. A window is kept
// with zeros in place of all other bytes, compressed with zstd, which makes it 80 times smaller there.

// sparsifier finds out which bytes of windows are needed. It is not safe for concurrent use.
type sparsifier struct {
	inflater io.Reader
	zstd     *zstd.Encoder
	marks    *marks
	marked   [maxWindow]byte
	got      [sparseLook]byte
	kept     [maxWindow]byte

	// For its user, who has to keep the bytes that sparse looks at.
	plain  [sparseLook]byte
	stored [maxStored]byte
}

func newSparsifier(m *marks) *sparsifier {
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)) // only a wrong option is an error
	return &sparsifier{inflater: flate.NewReader(bytes.NewReader(nil)), zstd: enc, marks: m}
}

// marks are numbers of 7 bits, one for each place in a window, of which any three that follow one another do so nowhere else.
type marks struct {
	of [maxWindow]byte
	at []uint16 // by three marks, the place of the first of them, plus 1; 0: there is no such place
}

func newMarks() *marks {
	m := &marks{at: make([]uint16, 1<<21)}
	x, three := uint32(1), uint32(0)
	for i := range m.of {
		x = x*1664525 + 1013904223 // any sequence will do
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

// rawWindow returns a whole window as it is kept until it is sparse: as a zstd frame of one block that is not compressed. The
// window is its end.
func rawWindow(window []byte) []byte {
	f := make([]byte, 0, 12+len(window))
	f = append(f, "\x28\xb5\x2f\xfd\xa0"...) // the magic number, and that a size of 4 bytes follows and no window
	f = binary.LittleEndian.AppendUint32(f, uint32(len(window)))
	block := uint32(len(window))<<3 | 1 // the last one
	f = append(f, byte(block), byte(block>>8), byte(block>>16))
	return append(f, window...)
}

// maxStored is how many compressed bytes sparse looks at for sparseLook plain ones.
const maxStored = 48 << 10

// sparseLook is how many plain bytes behind a checkpoint sparse looks at: as many as can come from the window, and two more,
// because a piece that is copied has three bytes at least.
const sparseLook = maxWindow + 2

// sparse returns the window as it is kept, nil if nothing in it is needed. stored are compressed bytes from the checkpoint
// on, the first of them with bit bits used already, and plain what they decode to, sparseLook bytes of it unless the
// data ends before.
//
// How deflate data is decoded never depends on the contents of the window, and data more than maxWindow bytes behind the
// checkpoint cannot refer to it. So the data is decoded with another window instead, which holds marks, with the top bit the
// opposite of the true window's, so that each of its bytes differs from the true one. Where the result differs from the
// plain bytes, a byte of the window has come through, however often it was copied. What is copied from the window comes in
// threes at least, and three marks say from where; but for the last two bytes of the window, of which a copy can go on with
// bytes behind them. Two copies side by side may look like a third: then some bytes too many are kept.
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

// decode fills p with what the stored bytes decode to with a window, and returns how much of it they do. That is less
// only at the end of the deflate data; if the stored bytes are too few for p it is an error.
func (s *sparsifier) decode(p, window, stored []byte, bit uint8) (int, error) {
	err := s.inflater.(resumer).ResetCP(bytes.NewReader(stored), flate.InflateCheckpoint{BitOffset: bit, Window: window})
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

// pack returns a window as it is kept.
func (s *sparsifier) pack(window []byte) []byte { return s.zstd.EncodeAll(window, nil) }

// unpacker restores windows. It is safe for concurrent use.
type unpacker struct{ zstd *zstd.Decoder }

func newUnpacker() unpacker {
	dec, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow)) // only a wrong option is an error
	return unpacker{dec}
}

// window returns what sparse returned as a raw window.
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
