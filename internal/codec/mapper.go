package codec

import (
	"hash/crc32"
	"math"
)

// passPiece is how many plain bytes one sum of a pass covers, and so how many a read decodes at least.
const passPiece = 32 << 10

// maxHeld bounds the plain bytes and the compressed bytes that are kept because a checkpoint may still be placed
// before them.
const maxHeld = 4 << 20

// mapper makes the map of a shard during a pass. It keeps the bytes of the shard from the first place that may still
// become a checkpoint, because sums and window depend on the place of the checkpoint.
type mapper struct {
	points growing
	place  placement
	wide   int64 // spacing where windows are large
	narrow int64 // spacing where they are small
	plain  history
	stored *history // compressed bytes; nil if no window is ever needed
	summed int64    // plain offset up to which the last checkpoint has sums

	due   []windowJob // waiting for the bytes after their checkpoints
	jobs  []chan int  // running, in order; each sends the size of its window
	sizes []int       // sizes of the last windows
	spare [maxJobs]*sparsifier
	marks *marks
	begun int // number of jobs so far; each takes the next of spare
}

// windowJob makes a window sparse.
type windowJob struct {
	point  int // index of its checkpoint
	at     Checkpoint
	window []byte
}

// maxJobs is how many windows are made sparse at the same time. The size of a window is used only when this many other
// jobs have begun, so that the map does not depend on the duration of jobs.
const maxJobs = 4

func newMapper(f Format) *mapper {
	m := &mapper{narrow: narrowSpacing, wide: wideSpacing}
	m.place = placement{spacing: narrowSpacing, free: freeSpacing}
	if f.row().windows {
		m.stored = new(history)
	}
	m.points.add(Checkpoint{Member: true})
	return m
}

// offer is called by the decoder with a place where decoding could start.
func (m *mapper) offer(c Checkpoint) {
	window := len(c.Window)
	if window > 0 && m.stored == nil {
		return
	}
	c.Window = nil
	m.place.offer(candidate{c, window})
}

// read must be called with the plain bytes that the decoder has returned.
func (m *mapper) read(p []byte) {
	m.plain.write(p)
	out := m.plain.end()
	for m.place.due(out) {
		m.commit(out)
	}
	m.advance(false)
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
	m.due = append(m.due, windowJob{i, c.Checkpoint, c.Window[len(c.Window)-c.window:]})
}

// sum completes the sums of the last checkpoint up to an offset, including that of a shorter piece at the end.
func (m *mapper) sum(to int64) {
	for m.summed < to {
		end := min(m.summed+passPiece, to)
		m.points.addSum(crc32.ChecksumIEEE(m.plain.slice(m.summed, end)))
		m.summed = end
	}
}

// advance makes the windows and sums for which enough bytes have been read, and drops bytes that are no longer needed.
// At the end of the pass there are always enough bytes.
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
		keepStored = m.stored.end() - 2*inputBuffer // the decoder may have read that far ahead
	}
	for _, j := range m.due {
		keep, keepStored = min(keep, j.at.Out), min(keepStored, j.at.In)
	}
	first, held := m.place.first()
	for held && (first.Out-maxWindow < out-maxHeld || m.stored != nil && first.In < m.stored.end()-maxHeld) {
		m.place.forget()
		first, held = m.place.first()
	}
	final := out // no further checkpoint can be before it
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

// sparsify starts a job, after waiting until fewer than maxJobs are running.
func (m *mapper) sparsify(j windowJob) {
	if len(m.jobs) == maxJobs {
		m.wait()
	}
	// The last job that used this one has ended.
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
	if j.at.In >= m.stored.from { // otherwise the window is kept as it is
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
// a shorter last piece added, because a ReaderAt that already uses the map would treat it as the sum of a whole piece.
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
