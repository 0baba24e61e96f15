package erofs

import "github.com/shardfs/shardfs/index"

// Reading contents ahead. Where the kernel itself reads the shard, it reads ahead within each file only, in small pieces
// if the disk has the usual settings, and the headers of the samples, which are compared before names are shown, are one
// small read each. So while names are read in order, and contents as well, the shard is read some MiB ahead of them, and
// names are stored in pieces that tell how far the walk has come. Of a shard in the page cache nothing is read.
const (
	firstContents = 2 << 20  // bytes of the shard in the first piece
	mostContents  = 16 << 20 // bytes of the shard in a piece in the end
	nearHeaders   = 8 * page // bytes between headers that are read at once
)

// contents says how far the shard is read ahead of a walk.
type contents struct {
	walk   int   // number of the walk, not 0
	piece  int64 // bytes of the next piece; 0 if there was none
	wanted int64 // end of what is to be read
}

// readAhead has the shard read ahead of a walk that is at a place of the image and will next need a part of it, from where
// names are to be stored. It returns where that ends: at the end of the part, or before.
func (m *Image) readAhead(c *contents, r *reader, place, from, to int64) int64 {
	now, last := m.samplesIn(place, to)
	if now > last {
		return to
	}
	at, all := m.x.Offset(m.startOf(now)), m.x.End()
	c.piece = max(c.piece, firstContents)
	if m.cache.HasAll(at, min(max(2*c.piece, m.x.Offset(m.startOf(last+1))-at), all-at)) {
		return to
	}
	if n := m.x.SampleOfRow(m.x.RowAt(at + c.piece)); n < last {
		last = max(n, now)
		to = min(to, max(m.dirAt(m.x.DirOf(last))&^(page-1), from))
	}
	// The piece after this one is read now, so that its names can be stored when they are wanted.
	end := m.x.Offset(m.startOf(last + 1))
	w := want{m.cache, max(at, c.wanted), min(end+c.piece, at+3*c.piece, all)}
	follows := r.read(c.walk, w, at)
	c.wanted = max(c.wanted, w.to)
	c.piece = min(2*c.piece, mostContents)
	if follows && !m.cache.HasAll(at, end-at) {
		return from // it would be stored when the contents have been read: the walk asks for it before
	}
	return to
}

// waitFor waits while the samples are being read whose slots are in a part of the image.
func (m *Image) waitFor(r *reader, from, to int64) {
	if first, last := m.samplesIn(from, to); first <= last {
		r.wait(m.cache, m.x.Offset(m.startOf(first)), m.x.Offset(m.startOf(last+1)))
	}
}

// readHeaders has the kernel read the headers of the samples whose slots are in a part of the image, all at once, because
// they will be compared one by one.
func (m *Image) readHeaders(from, to int64) {
	first, last := m.samplesIn(from, to)
	if first > last {
		return
	}
	start, end := m.startOf(first), m.startOf(last+1)
	if m.cache.HasAll(m.x.Offset(start), m.x.Offset(end)-m.x.Offset(start)) {
		return
	}
	var run pages
	for row := start; row < end; row++ {
		header := m.x.Offset(row)
		data, _ := m.x.Content(row)
		if !m.x.InSample(row) || data <= header {
			continue
		}
		if header > run.to+nearHeaders || header < run.from {
			m.v.Shard.WillRead(run.from, run.to-run.from)
			run = pages{header, data}
		}
		run.to = max(run.to, data)
	}
	m.v.Shard.WillRead(run.from, run.to-run.from)
}

// samplesIn returns the first and the last sample whose slots are in a part of the image, even if not as a whole; last is
// less than first if there is none.
func (m *Image) samplesIn(from, to int64) (first, last int) {
	first, last = m.x.Samples(), -1
	begin := index.Dir(max(from-m.at.slots, 0) / m.slot)
	end := index.Dir(min((max(to-m.at.slots, 0)+m.slot-1)/m.slot, int64(m.x.Dirs())))
	for d := begin; d < end; d++ {
		if number, ok := m.x.SampleIn(d); ok {
			first, last = min(first, number), max(last, number)
		}
	}
	return first, last
}

// startOf returns the first row of a sample, or the number of rows after the last sample.
func (m *Image) startOf(number int) int {
	if number >= m.x.Samples() {
		return m.x.Rows()
	}
	start, _ := m.x.SampleRows(number)
	return start
}
