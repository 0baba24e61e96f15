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
	low      [maxWindow]byte
	high     [maxWindow]byte
	gotLow   [maxWindow]byte
	gotHigh  [maxWindow]byte
	kept     [maxWindow]byte

	// For its user, who has to keep the bytes that sparse looks at.
	plain  [maxWindow]byte
	stored [maxStored]byte
}

func newSparsifier() *sparsifier {
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)) // only a wrong option is an error
	s := &sparsifier{inflater: flate.NewReader(bytes.NewReader(nil)), zstd: enc}
	for i := range s.low {
		s.low[i] = byte(i)
	}
	return s
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

// maxStored is how many compressed bytes sparse looks at for maxWindow plain ones.
const maxStored = 48 << 10

// sparse returns the window as it is kept, nil if nothing in it is needed. stored are compressed bytes from the checkpoint
// on, the first of them with bit bits used already, and plain what they decode to, maxWindow bytes of it unless the
// data ends before.
//
// How deflate data is decoded never depends on the contents of the window, and data more than maxWindow bytes behind the
// checkpoint cannot refer to it. So the data is decoded with two other windows instead: one holds the low bytes of its own
// positions, and the other the high 7 bits of them, with the top bit the opposite of the true window's, which makes each of
// its bytes differ from the true one. Where the second result differs from the plain bytes, a byte of the window has come
// through, however often it was copied, and both results together say which.
func (s *sparsifier) sparse(window []byte, stored []byte, bit uint8, plain []byte) []byte {
	for i, b := range window {
		s.high[i] = byte(i>>8) | ^b&0x80
	}
	n := min(len(plain), maxWindow)
	low, err := s.decode(s.gotLow[:n], s.low[:len(window)], stored, bit)
	if err != nil {
		return s.pack(window)
	}
	high, err := s.decode(s.gotHigh[:n], s.high[:len(window)], stored, bit)
	if err != nil || low != high {
		return s.pack(window)
	}
	kept := s.kept[:len(window)]
	clear(kept)
	used := false
	for i, b := range plain[:high] {
		if s.gotHigh[i] != b {
			j := int(s.gotLow[i]) | int(s.gotHigh[i]&0x7f)<<8
			if j >= len(window) {
				return s.pack(window) // plain is not what was decoded
			}
			kept[j] = window[j]
			used = true
		}
	}
	if !used {
		return nil
	}
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
