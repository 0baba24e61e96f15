package codec

import "io"

// Checkpoint is a place in a compressed shard where decoding can start.
type Checkpoint struct {
	Out    int64 // offset in the plain bytes
	In     int64 // offset of the compressed byte with the next bit
	State  uint8 // 0 to 7; the meaning depends on the format: see bit, xzCheck and lz4Header
	Member bool  // a gzip member, a frame or a stream begins at In, with its header

	// Sums are the CRC-32 (IEEE) of the pieces from Out to the next checkpoint. Each piece has Map.Piece plain bytes;
	// the last one may have fewer. Nil means that the sums are not known.
	Sums []uint32

	// Window is up to 32 KiB of plain bytes before Out, as a zstd frame. Bytes to which the data after Out does
	// not refer are zeros. Nil means that none are needed.
	Window []byte
}

// Points are checkpoints in order of Out, the first at 0. They are safe for concurrent use.
//
// Points may grow while they are read. The last one then has the sums of its complete pieces so far.
type Points interface {
	Len() int
	At(i int) Checkpoint
	Out(i int) int64 // At(i).Out, which is needed far more often than the rest
}

// Map is everything that random access to a compressed shard needs besides its bytes.
type Map struct {
	Plain  int64 // number of plain bytes; math.MaxInt64 while it is not known
	Piece  int64 // plain bytes that one sum covers
	Points Points
}

// ReadMap reads the map that a shard of size compressed bytes contains, without decoding the shard: the seek table of
// gzipWriter, the block sizes of BGZF, the seek table or the frame sizes of zstd, the index of xz. extra is the bytes
// that Encoder.SetExtra has stored; nil if there are none. If ok is false, a pass is needed.
//
// The map is not verified: if it is wrong, reads with it return ErrDamaged.
func ReadMap(f Format, r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) {
	if read := f.row().readMap; read != nil {
		return read(r, size)
	}
	return Map{}, nil, false
}

// pointList implements Points that do not grow.
type pointList []Checkpoint

// Len implements Points.
func (l pointList) Len() int { return len(l) }

// At implements Points.
func (l pointList) At(i int) Checkpoint { return l[i] }

// Out implements Points.
func (l pointList) Out(i int) int64 { return l[i].Out }
