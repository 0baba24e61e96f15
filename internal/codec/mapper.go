package codec

import (
	"hash/crc32"
	"math"
)

// passPiece is how many plain bytes one sum of a pass covers. It is also what a read decodes at least.
const passPiece = 32 << 10

// maxHeld bounds the plain and the compressed bytes that wait for a checkpoint behind which they lie, each.
const maxHeld = 4 << 20

// mapper makes the map of a shard out of what a pass over it sees. It keeps the bytes of the shard from the first place
// on that may still become a checkpoint, because the sums of a checkpoint and the window before it depend on where it is.
type mapper struct {
	points growing
	place  placement
	wide   int64 // spacing where windows are large
	narrow int64 // spacing where they are small
	plain  history
	stored *history // compressed bytes; nil if no window is ever needed
	summed int64    // plain offset up to which the sums of the last checkpoint are made

	due   []windowJob // wait for the bytes behind their checkpoints
	jobs  []chan int  // under way, in order; each gives the size of its window
	sizes []int       // of the latest windows
	spare [maxJobs]*sparsifier
	marks *marks
	begun int // jobs; each takes the next of spare
}

// windowJob makes a window sparse.
type windowJob struct {
	point  int // index of its checkpoint
	at     Checkpoint
	window []byte
}

// maxJobs is how many windows are made sparse at the same time. The size of a window is looked at when so many others
// have begun, so that the map does not depend on how long each takes.
const maxJobs = 4

func newMapper(f Format) *mapper {
	m := &mapper{place: placement{spacing: narrowSpacing, free: freeSpacing}, narrow: narrowSpacing, wide: wideSpacing}
	if f.row().windows {
		m.stored = new(history)
	}
	m.points.add(Checkpoint{Member: true})
	return m
}

// offer is called by the decoder. Only deflate data needs windows.
func (m *mapper) offer(c Checkpoint) {
	window := len(c.Window)
	if window > 0 && m.stored == nil {
		return
	}
	c.Window = nil
	m.place.offer(candidate{c, window})
}

// read notes plain bytes that the decoder has returned.
func (m *mapper) read(p []byte) {
	m.plain.write(p)
	out := m.plain.end()
	for m.place.due(out) {
		m.commit(out)
	}
	m.advance(false)
}

// mark notes that a sample starts at a plain offset.
func (m *mapper) mark(off int64) {
	m.place.marked = true
	m.commit(min(off, m.plain.end()))
}

// commit makes a checkpoint of the best candidate at or before limit, if there is any.
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
	m.due = append(m.due, windowJob{i, c.Checkpoint, c.Window[len(c.Window)-c.window:]})
}

// sum makes the sums of the last checkpoint up to an offset, also that of a shorter piece at the end.
func (m *mapper) sum(to int64) {
	for m.summed < to {
		end := min(m.summed+passPiece, to)
		m.points.addSum(crc32.ChecksumIEEE(m.plain.slice(m.summed, end)))
		m.summed = end
	}
}

// advance does what the bytes read so far allow, and gives up those that are not needed any more. At the end of the pass
// they allow everything.
func (m *mapper) advance(end bool) {
	out := m.plain.end()
	for len(m.due) > 0 {
		j := m.due[0]
		if !end && out < j.at.Out+sparseLook {
			break
		}
		m.due = m.due[1:]
		m.sparsify(j)
	}
	keep, keepStored := out-maxWindow, int64(math.MaxInt64)
	if m.stored != nil {
		keepStored = m.stored.end() - 2*inputBuffer // what the decoder may still have before it
	}
	for _, j := range m.due {
		keep, keepStored = min(keep, j.at.Out), min(keepStored, j.at.In)
	}
	first, held := m.place.first()
	for held && (first.Out-maxWindow < out-maxHeld || m.stored != nil && first.In < m.stored.end()-maxHeld) {
		m.place.forget()
		first, held = m.place.first()
	}
	final := out // no checkpoint will come before it
	if held {
		final = min(final, first.Out)
		keep, keepStored = min(keep, first.Out-maxWindow), min(keepStored, first.In)
	}
	m.sum(m.summed + (final-m.summed)/passPiece*passPiece)
	m.plain.drop(min(keep, m.summed))
	if m.stored != nil {
		m.stored.drop(keepStored)
	}
}

// sparsify starts a job, when few enough are under way.
func (m *mapper) sparsify(j windowJob) {
	if len(m.jobs) == maxJobs {
		m.wait()
	}
	// The job that had this one before has been waited for.
	s := m.spare[m.begun%maxJobs]
	if s == nil {
		if m.marks == nil {
			m.marks = newMarks()
		}
		s = newSparsifier(m.marks)
		m.spare[m.begun%maxJobs] = s
	}
	m.begun++
	plain := append(s.plain[:0], m.plain.slice(j.at.Out, min(j.at.Out+sparseLook, m.plain.end()))...)
	stored := s.stored[:0]
	if j.at.In >= m.stored.from { // else the window is kept whole
		stored = append(stored, m.stored.slice(j.at.In, min(j.at.In+maxStored, m.stored.end()))...)
	}
	done := make(chan int, 1)
	m.jobs = append(m.jobs, done)
	go func() {
		kept := s.sparse(j.window, stored, j.at.State, plain)
		m.points.setWindow(j.point, kept)
		done <- len(kept)
	}()
}

// wait waits for the oldest job, and chooses the spacing by the windows so far.
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

// finish completes the map: the pass has ended, at the end of the plain bytes or elsewhere. The last sum may be of less than
// a piece only if nothing follows, because a ReaderAt that has the map already would take it for that of a whole one.
func (m *mapper) finish(end bool) {
	out := m.plain.end()
	m.advance(true)
	for len(m.jobs) > 0 {
		m.wait()
	}
	if end {
		m.sum(out)
	}
	m.plain, m.stored, m.spare = history{base: out, from: out}, nil, [maxJobs]*sparsifier{}
}
