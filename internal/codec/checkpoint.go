package codec

import (
	"bytes"

	"github.com/klauspost/compress/flate"
)

// Checkpoint is a place in a compressed shard where decoding can start.
type Checkpoint struct {
	Out    int64  // offset in the plain bytes
	In     int64  // offset of the compressed byte that holds the next bit; at a member start, of the member's header
	Bit    uint8  // bits of that byte already used, 0-7
	Member bool   // In is a gzip member header: no window needed
	Window []byte // up to 32 KiB of plain bytes before Out; nil at a member start
}

// placement decides which places in a gzip stream become checkpoints: member starts because they need no window, and
// else block ends, about one per span.
//
// A block end is held back until half a span of plain bytes has followed it, so that a member start in that stretch can
// take its place. Without this, members a little longer than the span would cost twice the checkpoints, half of them
// with a window.
type placement struct {
	span   int64
	report func(Checkpoint)
	held   []Checkpoint // placed and not yet reported, in order of Out
	last   int64        // Out of the checkpoint placed last
}

func newPlacement(o GzipOptions) *placement {
	p := &placement{span: o.Span, report: o.OnCheckpoint}
	if p.span <= 0 {
		p.span = 2 << 20
	}
	p.last = -p.span // the first member start is far enough from it
	return p
}

// member offers a member start.
func (p *placement) member(out, in int64) {
	c := Checkpoint{Out: out, In: in, Member: true}
	switch n := len(p.held); {
	case n > 0 && !p.held[n-1].Member && out-p.held[n-1].Out < p.span/2:
		p.held[n-1] = c
	case out-p.last >= p.span/2:
		p.held = append(p.held, c)
	default:
		return
	}
	p.last = out
}

// block offers a block end. The window is copied if it is taken.
func (p *placement) block(out, in int64, bit uint8, window []byte) {
	if out-p.last < p.span {
		return
	}
	p.held = append(p.held, Checkpoint{Out: out, In: in, Bit: bit, Window: bytes.Clone(window)})
	p.last = out
}

// passed reports the checkpoints that no later member start can replace once all plain bytes before out are returned.
func (p *placement) passed(out int64) {
	for len(p.held) > 0 && p.held[0].Out+p.span/2 <= out {
		p.report(p.held[0])
		p.held = p.held[1:]
	}
}

// finish reports all checkpoints that are left.
func (p *placement) finish() {
	for _, c := range p.held {
		p.report(c)
	}
	p.held = nil
}

// storedDrift corrects the offsets of one member for a fault in flate v1.20.3: when a stored block begins, the whole
// bytes in flate's bit buffer are counted a second time, so this block end and all later ones are reported too late by
// that much. The zero value is ready for a new member.
type storedDrift int64

// correct returns the offset of the compressed byte that holds the bit after a block. consumed is the offset of the next
// byte that flate will read.
//
// After a stored block flate's bit buffer is empty, so the drift is exactly how far the reported offset lies beyond
// consumed. After any other block that ends on a whole byte the buffer may hold bytes, which makes the difference
// smaller, never larger; hence the maximum. With a flate that counts right the drift stays 0.
func (d *storedDrift) correct(c flate.InflateCheckpoint, consumed int64) int64 {
	if c.BitOffset == 0 {
		*d = max(*d, storedDrift(c.CompressedOffset-consumed))
	}
	return c.CompressedOffset - int64(*d)
}
