package codec

import "io"

// Checkpoint is a place in a compressed shard where decoding can start.
type Checkpoint struct {
	Out    int64 // offset in the plain bytes
	In     int64 // offset of the compressed byte that holds the next bit
	State  uint8 // 0 to 7: what the decoder has to know to start there, other for each format: bit, xzCheck, lz4Header
	Member bool  // In is where a gzip member, a frame or a stream begins, with its header

	// Sums are the CRC-32 (IEEE) of the plain bytes from Out on, of each Map.Piece of them. The last piece ends at the next
	// checkpoint. Nil means that they are not known.
	Sums []uint32

	// Window is up to 32 KiB of plain bytes before Out, as a zstd frame. Bytes that the data behind Out does not refer to
	// are zeros. Nil means that none are needed.
	Window []byte
}

// Points are checkpoints in order of Out, the first at 0. They are safe for concurrent use.
//
// Points may grow while they are read. The sums of the last one are then those of its whole pieces so far.
type Points interface {
	Len() int
	At(i int) Checkpoint
	Out(i int) int64 // At(i).Out, which is asked for more often than all the rest
}

// Map is what random access to a compressed shard needs beside its bytes.
type Map struct {
	Plain  int64 // length of the plain bytes; math.MaxInt64 while it is not known
	Piece  int64 // plain bytes that one sum covers
	Points Points
}

// ReadMap finds what a shard of size compressed bytes says of itself, without decoding it: the seek table of gzipWriter,
// the block sizes of BGZF, a zstd seek table, the index of xz. extra is what our writers put in beside it, nil if there is none. Where ok
// is false, a pass is needed.
//
// A shard that is wrong about itself gives ErrDamaged when it is read by the map.
func ReadMap(f Format, r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) {
	if read := f.row().readMap; read != nil {
		return read(r, size)
	}
	return Map{}, nil, false
}

// PointList is Points that do not grow.
type PointList []Checkpoint

// Len implements Points.
func (l PointList) Len() int { return len(l) }

// At implements Points.
func (l PointList) At(i int) Checkpoint { return l[i] }

// Out implements Points.
func (l PointList) Out(i int) int64 { return l[i].Out }
