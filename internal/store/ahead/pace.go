package ahead

import "time"

// How many parts are in flight.
const (
	leastWidth = 2
	mostWidth  = 16
)

// What is measured.
const (
	measured = 256 << 10 // bytes of a part from which on its rate means something
	assumed  = 4         // requests at a time, each at its rate, that the line allows if that was not measured
	patience = 8         // measurements before more parts are tried again
)

// pace says how many parts should be in flight to a store, by what was measured. More are tried while readers wait and
// the rate rises.
type pace struct {
	width  int // parts in flight
	flying int

	latency time.Duration // until the first bytes of an answer
	single  float64       // bytes/s of one request, once it is answered
	rate    float64       // bytes/s of all

	// Of the measurement in progress, which ends when width parts have come.
	began  time.Time
	bytes  int64
	parts  int
	waited bool // a reader has waited

	waiting int // readers
	tried   int // the width before the last growth, until it has proved right; else 0
	hold    int // measurements to come before width may grow again
}

// more reports whether a flow may have another part in flight that nobody has asked for. Each may have some.
func (p *pace) more(f *flow) bool {
	return f.flying < leastWidth || p.flying < p.width && f.flying < mostWidth
}

// hops reports whether it is quicker to ask for each of the reads of a flow than to fetch the bytes that it skips, too.
func (p *pace) hops(gap int64) bool {
	rate := max(p.rate, assumed*p.single)
	return rate > 0 && p.latency > 0 && float64(gap) > rate*p.latency.Seconds()
}

// start records that a part is asked for. Flow may be nil.
func (p *pace) start(f *flow, now time.Time) {
	if p.flying == 0 {
		p.restart(now)
	}
	p.flying++
	if f != nil {
		p.width = max(p.width, min(f.flying, mostWidth)) // a long read asks for more
	}
}

func (p *pace) restart(now time.Time) {
	p.began, p.bytes, p.parts, p.waited = now, 0, 0, p.waiting > 0
}

// wait records that n more readers wait.
func (p *pace) wait(n int) {
	p.waiting += n
	p.waited = true
}

// answered records the time to the first bytes of an answer. It takes longer on a line that is in use, and the least says
// how far away the store is; but that may change.
func (p *pace) answered(d time.Duration) {
	if p.latency == 0 || d < p.latency {
		p.latency = d
	} else {
		p.latency += min(d-p.latency, p.latency/64)
	}
}

// received records bytes.
func (p *pace) received(n int) { p.bytes += int64(max(n, 0)) }

// finish records the end of a fetch of n bytes, and how long they took from the first to the last.
func (p *pace) finish(now time.Time, n int, took time.Duration, ok bool) {
	p.flying--
	if !ok || n < measured {
		return
	}
	if took > 0 {
		single := float64(n) / took.Seconds()
		if p.single == 0 {
			p.single = single
		}
		p.single += (single - p.single) / 4
	}
	if p.parts++; p.parts < p.width {
		return
	}
	if elapsed := now.Sub(p.began); p.waited && elapsed > 0 {
		p.measure(float64(p.bytes) / elapsed.Seconds())
	}
	p.restart(now)
}

// measure adapts the width to the rate of the last parts: more are tried, and kept if the rate has risen.
func (p *pace) measure(rate float64) {
	switch {
	case p.hold > 0:
		p.hold--
	case rate > p.rate*1.25:
		p.tried, p.width = p.width, min(2*p.width, mostWidth)
	case rate > p.rate*1.03 || p.tried == 0:
		p.tried, p.width = p.width, min(p.width+1, mostWidth)
	default:
		p.width = max(p.width*3/4, p.tried)
		p.tried, p.hold = 0, patience
	}
	p.rate = max(rate, p.rate-p.rate/16)
}

// backOff halves the width, and keeps it for a while.
func (p *pace) backOff(now time.Time) {
	p.width = max(p.width/2, 1)
	p.tried, p.hold = 0, 2*patience
	p.rate = 0
	p.restart(now)
}
