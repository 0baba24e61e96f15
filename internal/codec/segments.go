package codec

// segmentPoints implements Points of a shard whose segments do not refer to each other; each has one checkpoint and
// one sum.
type segmentPoints struct {
	in    []int64
	out   []int64
	sums  []uint32
	plain int64 // plain bytes of all segments
	piece int64 // plain bytes of the longest segment
}

// add appends a segment at a compressed offset.
func (p *segmentPoints) add(in, plain int64, sum uint32) {
	p.in = append(p.in, in)
	p.out = append(p.out, p.plain)
	p.sums = append(p.sums, sum)
	p.plain += plain
	p.piece = max(p.piece, plain)
}

// newMap returns the map of the segments.
func (p *segmentPoints) newMap() Map {
	if len(p.in) == 0 {
		return Map{Piece: passPiece, Points: pointList{{Member: true}}}
	}
	return Map{Plain: p.plain, Piece: p.piece, Points: p}
}

// Len implements Points.
func (p *segmentPoints) Len() int { return len(p.in) }

// At implements Points.
func (p *segmentPoints) At(i int) Checkpoint {
	return Checkpoint{Out: p.out[i], In: p.in[i], Sums: p.sums[i : i+1 : i+1]}
}

// Out implements Points.
func (p *segmentPoints) Out(i int) int64 { return p.out[i] }
