package index

import "github.com/shardfs/shardfs/internal/codec"

// checkpoints are the checkpoints of a shard as columns. They implement [codec.Points].
type checkpoints struct {
	out, in column // offsets in the plain and in the compressed shard
	start   column // State, plus memberStart if a member of the compressed file starts there
	windows texts
	sumEnd  column // end of its checksums in sums
	sums    column
}

const memberStart = 8

// numbers returns the columns of numbers in the order of an index file.
func (p *checkpoints) numbers() []*column {
	return []*column{&p.out, &p.in, &p.start, &p.windows.ends, &p.sumEnd, &p.sums}
}

// fits reports whether the lengths of the columns agree.
func (p *checkpoints) fits() bool {
	n := p.out.n
	return p.in.n == n && p.start.n == n && p.windows.ends.n == n && p.sumEnd.n == n
}

// packCheckpoints returns checkpoints as columns; for nil, none.
func packCheckpoints(points codec.Points) *checkpoints {
	if p, ok := points.(*checkpoints); ok {
		return p
	}
	p := new(checkpoints)
	if points == nil {
		return p
	}
	for i := range points.Len() {
		cp := points.At(i)
		start := uint64(cp.State)
		if cp.Member {
			start |= memberStart
		}
		p.out.append(uint64(cp.Out))
		p.in.append(uint64(cp.In))
		p.start.append(start)
		p.windows.append(string(cp.Window))
		for _, sum := range cp.Sums {
			p.sums.append(uint64(sum))
		}
		p.sumEnd.append(uint64(p.sums.n))
	}
	for _, c := range p.numbers() {
		c.seal()
	}
	return p
}

// Len returns the number of checkpoints.
func (p *checkpoints) Len() int { return p.out.n }

// Out returns the plain offset of the i-th checkpoint.
func (p *checkpoints) Out(i int) int64 { return int64(p.out.get(i)) }

// At returns the i-th checkpoint.
func (p *checkpoints) At(i int) codec.Checkpoint {
	start := p.start.get(i)
	cp := codec.Checkpoint{
		Out: int64(p.out.get(i)), In: int64(p.in.get(i)), State: uint8(start & 7), Member: start&memberStart != 0,
	}
	if w := p.windows.get(i); len(w) > 0 {
		cp.Window = w
	}
	at, end := 0, int(p.sumEnd.get(i))
	if i > 0 {
		at = int(p.sumEnd.get(i - 1))
	}
	if at < 0 || at > end || end > p.sums.n {
		p.sums.pages.corrupt()
		return cp
	}
	for ; at < end; at++ {
		cp.Sums = append(cp.Sums, uint32(p.sums.get(at)))
	}
	return cp
}
