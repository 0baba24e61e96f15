package codec

import (
	"hash/crc32"
	"math"

	"github.com/shardfs/shardfs/internal/codec/inflate"
)

// passPiece is how many plain bytes one sum of a pass covers, and so how many a read decodes at least.
const passPiece = 32 << 10

// maxHeld bounds the plain bytes and the compressed bytes that are kept because a checkpoint may still be placed
// before them.
const maxHeld = 4 << 20

// mapper makes the map of a shard during a pass. It keeps the plain bytes from the first place that may still become a
// checkpoint, because sums and window depend on the place of the checkpoint.
type mapper struct {
	points growing
	place  placement
	wide   int64 // spacing where windows are large
	narrow int64 // spacing where they are small
	plain  history
	copies copies
	summed int64 // plain offset up to which the last checkpoint has sums

	due   []windowJob // waiting for the copies after their checkpoints
	jobs  []chan int  // running, in order; each sends the size of its window
	sizes []int       // sizes of the last windows
	spare [maxJobs]*sparsifier
	begun int // number of jobs so far; each takes the next of spare
}

// windowJob makes a window sparse.
type windowJob struct {
	point  int   // index of its checkpoint
	out    int64 // its plain offset
	window []byte
}

// maxJobs is how many windows are compressed at the same time. The size of a window is used only when this many other
// jobs have begun, so that the map does not depend on the duration of jobs.
const maxJobs = 4

func newMapper() *mapper {
	m := &mapper{narrow: narrowSpacing, wide: wideSpacing}
	m.place = placement{spacing: narrowSpacing, free: freeSpacing}
	m.points.add(Checkpoint{Member: true})
	return m
}

// offer is called by the decoder with a place where decoding could start.
func (m *mapper) offer(c Checkpoint) {
	window := len(c.Window)
	c.Window = nil
	m.place.offer(candidate{c, window})
}

// copied is called by the decoder with copies that begin before the last place that it has offered.
func (m *mapper) copied(out int64, list []inflate.Copy) {
	if last, ok := m.lastPlace(); ok {
		m.copies.add(out, list, last)
	}
}

// lastPlace returns the plain offset of the last place that has or may get a window.
func (m *mapper) lastPlace() (out int64, ok bool) {
	if n := len(m.place.held); n > 0 {
		return m.place.held[n-1].Out, true
	}
	if n := len(m.due); n > 0 {
		return m.due[n-1].out, true
	}
	return 0, false
}

// read must be called with the plain bytes that the decoder has returned.
func (m *mapper) read(p []byte) {
	m.plain.write(p)
	out := m.plain.end()
	for m.place.due(out) {
		m.commit(out)
	}
	m.advance()
}

// mark records that a sample starts at a plain offset.
func (m *mapper) mark(off int64) {
	m.place.marked = true
	m.commit(min(off, m.plain.end()))
}

// commit makes the best candidate at or before limit a checkpoint, if there is one.
func (m *mapper) commit(limit int64) {
	c, ok := m.place.take(limit)
	if !ok {
		return
	}
	m.sum(m.summed + (c.Out-m.summed)/passPiece*passPiece)
	var short []uint32 // sum of the piece that the checkpoint cuts short
	if m.summed < c.Out {
		short = []uint32{crc32.ChecksumIEEE(m.plain.slice(m.summed, c.Out))}
	}
	m.summed = c.Out
	if c.window == 0 {
		m.points.add(c.Checkpoint, short...)
		return
	}
	c.Window = rawWindow(m.plain.slice(c.Out-int64(c.window), c.Out))
	i := m.points.add(c.Checkpoint, short...)
	m.due = append(m.due, windowJob{i, c.Out, c.Window[len(c.Window)-c.window:]})
}

// sum completes the sums of the last checkpoint up to an offset, including that of a shorter piece at the end.
func (m *mapper) sum(to int64) {
	for m.summed < to {
		end := min(m.summed+passPiece, to)
		m.points.addSum(crc32.ChecksumIEEE(m.plain.slice(m.summed, end)))
		m.summed = end
	}
}

// advance makes the windows and sums for which enough bytes have been read, and drops what is no longer needed.
func (m *mapper) advance() {
	out := m.plain.end()
	for len(m.due) > 0 && out >= m.due[0].out+maxWindow {
		m.sparsify(m.due[0], true)
		m.due = m.due[1:]
	}
	first, held := m.place.first()
	for held && (first.Out-maxWindow < out-maxHeld || len(m.copies) > maxCopies) {
		m.place.forget()
		first, held = m.place.first()
		m.dropCopies()
	}
	final, keep := out, out-maxWindow // no further checkpoint can be before final
	if held {
		final, keep = min(final, first.Out), min(keep, first.Out-maxWindow)
	}
	m.sum(m.summed + (final-m.summed)/passPiece*passPiece)
	m.plain.drop(min(keep, m.summed))
	m.dropCopies()
}

// dropCopies drops the copies before all places that need any.
func (m *mapper) dropCopies() {
	before := int64(math.MaxInt64)
	if first, held := m.place.first(); held {
		before = first.Out
	}
	if len(m.due) > 0 {
		before = min(before, m.due[0].out)
	}
	m.copies.drop(before)
}

// sparsify starts a job, after waiting until fewer than maxJobs are running. known is set if all copies are known that may
// need the window.
func (m *mapper) sparsify(j windowJob, known bool) {
	if len(m.jobs) == maxJobs {
		m.wait()
	}
	// The last job that used this one has ended.
	s := &m.spare[m.begun%maxJobs]
	if *s == nil {
		*s = newSparsifier()
	}
	m.begun++
	kept := j.window
	if known {
		kept = (*s).sparse(j.window, j.out, m.copies)
	}
	done := make(chan int, 1)
	m.jobs = append(m.jobs, done)
	go func() {
		packed := (*s).pack(kept)
		m.points.setWindow(j.point, packed)
		done <- len(packed)
	}()
}

// wait waits for the oldest job, and chooses the spacing by the last windows.
func (m *mapper) wait() {
	m.sizes = append(m.sizes, <-m.jobs[0])
	m.jobs = m.jobs[1:]
	const enough = 8
	if len(m.sizes) > enough {
		m.sizes = m.sizes[1:]
	}
	total := 0
	for _, n := range m.sizes {
		total += n
	}
	m.place.spacing = m.narrow
	if total > len(m.sizes)*smallWindow {
		m.place.spacing = m.wide
	}
}

// finish completes the map at the end of the pass. end is set if there are no more plain bytes; only then is the sum of
// a shorter last piece added, because a ReaderAt that already uses the map would treat it as the sum of a whole piece, and
// only then is it known which bytes of the last windows are needed.
func (m *mapper) finish(end bool) {
	out := m.plain.end()
	m.advance()
	for _, j := range m.due {
		m.sparsify(j, end)
	}
	for len(m.jobs) > 0 {
		m.wait()
	}
	if end {
		m.sum(out)
	}
	m.plain, m.copies, m.due, m.spare = history{base: out, from: out}, nil, nil, [maxJobs]*sparsifier{}
}
