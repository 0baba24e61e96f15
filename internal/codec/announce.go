package codec

import (
	"math"
	"sort"
)

// mostTold is how many compressed bytes of a stretch are announced at most when a cursor is started: more are seldom all
// decoded.
const mostTold = 4 << 20

// overread is how many compressed bytes after the next checkpoint a decoder may read.
const overread = 64

// WillRead announces that n plain bytes at off will be read soon: the compressed bytes of all stretches with some of them
// are announced to the Source.
func (z *ReaderAt) WillRead(off, n int64) {
	a, ok := z.src.(advisor)
	if !ok || off < 0 || n <= 0 || off >= z.m.Plain {
		return
	}
	points := z.m.Points
	i := sort.Search(points.Len(), func(i int) bool { return points.Out(i) > off }) - 1
	if i < 0 {
		return
	}
	from := points.At(i)
	if end, ok := z.endOf(min(n, z.m.Plain-off) + off - 1); ok && from.In < end {
		a.WillRead(from.In, end-from.In)
	}
}

// endOf returns where the compressed bytes end that decoding up to the end of the stretch with a plain byte may read. ok is
// false while that is not known.
func (z *ReaderAt) endOf(at int64) (end int64, ok bool) {
	points := z.m.Points
	n := points.Len()
	if i := sort.Search(n, func(i int) bool { return points.Out(i) > at }); i < n {
		return min(points.At(i).In+overread, z.size), true
	}
	return z.size, z.m.Plain != math.MaxInt64
}

// tell announces the bytes of the stretch after a checkpoint, which c will decode from there, so that they come with one
// request.
func (z *ReaderAt) tell(c *cursor, point Checkpoint) {
	a, ok := z.src.(advisor)
	if !ok {
		return
	}
	if end, ok := z.endOf(point.Out); ok && point.In < end && end-point.In <= mostTold {
		c.in.told = end
		a.WillRead(point.In, end-point.In)
	}
}
