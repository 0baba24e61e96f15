package codec

import "slices"

// The spacing of checkpoints in plain bytes. A smaller one makes reads faster and the map larger.
const (
	freeSpacing   = 64 << 10  // where no window is needed
	narrowSpacing = 256 << 10 // where windows are small
	wideSpacing   = 1 << 20
	smallWindow   = 1 << 10 // windows are small if they have at most this many bytes on average
)

// maxWindow is how far back, in bytes, deflate can refer.
const maxWindow = 32 << 10

// candidate is a place offered by a decoder.
type candidate struct {
	Checkpoint     // without its window
	window     int // length of the window before compression
}

// placement decides which of the offered places become checkpoints. A place that needs no window is free, and becomes a
// checkpoint unless it is very close to the last one. Of the others the best is the last place before the start of a
// sample, because samples are read from their start, if it is at least one spacing after the last checkpoint. If no
// sample starts for long, any place is used.
type placement struct {
	spacing int64
	free    int64       // spacing of free places
	marked  bool        // the starts of samples are known
	last    int64       // Out of the last checkpoint
	held    []candidate // in order of Out, each far enough after last
}

// holdApart is the least distance of held candidates, which limits their number in a shard of tiny blocks.
const holdApart = 4 << 10

// offer adds a candidate.
func (p *placement) offer(c candidate) {
	if !p.far(c) {
		return
	}
	n := len(p.held)
	if n > 0 && p.held[n-1].Out == c.Out || n > 1 && c.Out-p.held[n-2].Out < holdApart {
		p.held[n-1] = c
		return
	}
	p.held = append(p.held, c)
}

// far reports whether c is far enough after the last checkpoint.
func (p *placement) far(c candidate) bool {
	if c.window == 0 {
		return c.Out-p.last >= p.free
	}
	return c.Out-p.last >= p.spacing
}

// due reports whether a place before out should become a checkpoint without waiting for a sample: a free place, or any
// if the last checkpoint is far back. The start of a sample may be known only half a spacing later, if the sample is
// that long.
func (p *placement) due(out int64) bool {
	if i := p.firstFree(); i >= 0 && p.held[i].Out <= out {
		return true
	}
	wait := p.spacing * 5 / 4
	if p.marked {
		wait = p.spacing * 2
	}
	return out-p.last >= wait && len(p.held) > 0 && p.held[0].Out <= out
}

func (p *placement) firstFree() int {
	return slices.IndexFunc(p.held, func(c candidate) bool { return c.window == 0 })
}

// take returns the place at or before limit that becomes the next checkpoint.
func (p *placement) take(limit int64) (candidate, bool) {
	best := p.firstFree()
	if best < 0 || p.held[best].Out > limit {
		best = len(p.held) - 1
		for best >= 0 && p.held[best].Out > limit {
			best--
		}
	}
	if best < 0 {
		return candidate{}, false
	}
	c := p.held[best]
	p.last = c.Out
	p.held = slices.DeleteFunc(p.held[best+1:], func(c candidate) bool { return !p.far(c) })
	return c, true
}

// first returns the first candidate.
func (p *placement) first() (candidate, bool) {
	if len(p.held) == 0 {
		return candidate{}, false
	}
	return p.held[0], true
}

// forget drops the first candidate.
func (p *placement) forget() { p.held = p.held[1:] }
