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

// ReadMap reads the map that an Encoder has written into a shard of size compressed bytes. extra is the bytes that
// Encoder.SetExtra has stored; nil if there are none. If ok is false, a pass is needed. Of a shard whose first bytes show
// that no Encoder has written it, nothing else is read.
//
// The map is not verified: if it is wrong, reads with it return ErrDamaged.
func ReadMap(f Format, r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) {
	row := f.row()
	if row.readMap == nil {
		return Map{}, nil, false
	}
	head := make([]byte, max(0, min(size, ownHead)))
	if readAt(r, head, 0) != nil || !row.own(head) {
		return Map{}, nil, false
	}
	from := max(0, size-mapEnd)
	end := make([]byte, size-from)
	if readAt(r, end, from) != nil {
		return Map{}, nil, false
	}
	return row.readMap(endReader{r, from, end}, size)
}

const (
	ownHead = 18       // first bytes by which the shards of an Encoder are recognized
	mapEnd  = 64 << 10 // read at once, because each read of a remote shard is a request: often all of the map
)

// endReader is a reader whose bytes from an offset on are in memory.
type endReader struct {
	io.ReaderAt
	from int64
	end  []byte
}

func (r endReader) ReadAt(p []byte, off int64) (int, error) {
	if off < r.from || off-r.from > int64(len(r.end)) {
		return r.ReaderAt.ReadAt(p, off)
	}
	n := copy(p, r.end[off-r.from:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// pointList implements Points that do not grow.
type pointList []Checkpoint

// Len implements Points.
func (l pointList) Len() int { return len(l) }

// At implements Points.
func (l pointList) At(i int) Checkpoint { return l[i] }

// Out implements Points.
func (l pointList) Out(i int) int64 { return l[i].Out }
