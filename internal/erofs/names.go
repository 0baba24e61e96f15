package erofs

import (
	"context"
	"io"
	"slices"
	"sort"

	"github.com/shardfs/shardfs/index"
)

// Names is an image as a file to serve. It is safe for concurrent use, except for Ahead.
type Names struct {
	m       source
	reader  *reader
	streams []stream // of Ahead, the last used first
	walks   int      // how many streams there were
}

// source is an image, or one of many shards.
type source interface {
	Size() int64
	readAt(ctx context.Context, p []byte, off int64) (int, error)
	areaEnd(off int64) int64
	imageAt(off int64) *Image // the image that a place is in; nil: none
	storeSmall(from, to int64, store func(file int, p []byte, off int64) error)
	dropPages()
}

// Names returns the image as a file to serve.
func (m *Image) Names() *Names { return newNames(m) }

func newNames(m source) *Names { return &Names{m: m, reader: newReader()} }

// Close ends reading ahead, for which Ahead may have begun.
func (n *Names) Close() { n.reader.close() }

func (m *Image) imageAt(int64) *Image { return m }

// Size returns the size of the image in bytes.
func (n *Names) Size() int64 { return n.m.Size() }

// DropPages releases memory of mapped indexes.
func (n *Names) DropPages() { n.m.dropPages() }

func (m *Image) dropPages() { m.v.Shard.DropPages() }

// ReadAt reads the image. At its end it returns fewer bytes and no error. The error is view.ErrShard or ErrUnsuited. The
// context is not used: what is read of a shard is on this machine, and programs do not expect that a signal, such as those
// of Go's runtime, ends a lookup with EINTR, which the kernel would return for them.
func (n *Names) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	if m := n.m.imageAt(off); m != nil && m.cache != nil {
		m.waitFor(n.reader, off, off+int64(len(p)))
	}
	read, err := n.m.readAt(context.Background(), p, off)
	if err == io.EOF {
		err = nil
	}
	return read, err
}

// Reading names ahead. The kernel reads images page by page, and asks for each. When it asks in order, as during a walk,
// what follows is put into its cache; then it asks once for many pages.
const (
	page       = 4096
	firstAhead = 32 << 10  // bytes that are stored when the second page in order is read
	mostAhead  = 256 << 10 // bytes that are stored at a time in the end
	near       = 16 << 10  // a read so many bytes after the last one is in order
	maxStreams = 16
)

// stream is a place of the image that is read in order.
type stream struct {
	last   int64 // the last read
	stored int64 // end of what was stored
	window int64 // bytes to store next; 0 if only one read was seen

	contents contents
}

// near returns how many bytes after the last read of the stream, or after what was stored, a read is in order. A walk may
// have gone on while something was stored or read for it.
func (s *stream) near() int64 {
	if s.contents.wanted > 0 {
		return mostAhead
	}
	return near
}

// Ahead is called with each read of the image that the kernel could not answer from its cache, one call at a time. It
// stores what will be read next, by a function that stores bytes of file 0, the image, or of the Bytes with the number of a
// device; an error of that is of no consequence.
func (n *Names) Ahead(off int64, length int, store func(file int, p []byte, off int64) error) {
	s := n.stream(off, off+int64(length))
	if s.window == 0 {
		return
	}
	from := max(s.stored, off+int64(length)) &^ (page - 1)
	to := min(from+s.window, n.m.areaEnd(from))
	if from-off > mostAhead || to <= from {
		return
	}
	if m := n.m.imageAt(from); m != nil && m.cache != nil {
		if to = m.readAhead(&s.contents, n.reader, off, from, to); to <= from {
			return
		}
	}
	p := make([]byte, to-from)
	if _, err := n.m.readAt(context.Background(), p, from); err != nil && err != io.EOF {
		return
	}
	if store(0, p, from) == nil {
		s.stored = to
		s.window = min(2*s.window, mostAhead)
	}
	n.m.storeSmall(from, to, store)
}

// stream returns the stream of a read, which is now the first.
func (n *Names) stream(off, end int64) *stream {
	i := slices.IndexFunc(n.streams, func(s stream) bool {
		return off >= s.last && off <= max(s.last, s.stored)+s.near()
	})
	if i < 0 {
		if len(n.streams) == maxStreams {
			n.streams = n.streams[:maxStreams-1]
		}
		n.walks++
		n.streams = slices.Insert(n.streams, 0, stream{last: off, stored: end, contents: contents{walk: n.walks}})
		return &n.streams[0]
	}
	s := n.streams[i]
	if off > s.last && s.window == 0 {
		s.window = firstAhead
	}
	s.last, s.stored = off, max(s.stored, end)
	n.streams = slices.Insert(slices.Delete(n.streams, i, i+1), 0, s)
	return &n.streams[0]
}

// areaEnd returns where the area ends that a place is in.
func (m *Image) areaEnd(off int64) int64 {
	i := sort.Search(len(m.areas), func(i int) bool { return m.areas[i].at > off })
	if i == len(m.areas) {
		return m.size
	}
	return m.areas[i].at
}

// Small members of samples whose names are read in order are stored in the kernel's cache of Bytes together with the
// names, if the walk also reads contents: if the last read of Bytes was near. The last samples of each piece are left
// out, so that a walk that goes on reading contents shows itself.
const (
	smallMember = 4096    // bytes of the largest
	leftOut     = 4       // samples
	nearBytes   = 2 << 20 // between the last read and the samples
	mostPages   = 1 << 20 // bytes that are stored at a time
)

// storeSmall stores the small members of the samples whose slots are in a part of the image.
func (m *Image) storeSmall(from, to int64, store func(file int, p []byte, off int64) error) {
	read := m.lastRead.Load()
	first := index.Dir(max(from-m.at.slots, 0) / m.slot)
	last := index.Dir(min(max(to-m.at.slots, 0)/m.slot, int64(m.x.Dirs())))
	samples := make([]int, 0, last-min(first, last))
	for d := first; d < last; d++ {
		if number, ok := m.x.SampleIn(d); ok {
			samples = append(samples, number)
		}
	}
	if read < 0 || len(samples) <= leftOut {
		return
	}
	begin, _ := m.x.SampleRows(samples[0])
	_, end := m.x.SampleRows(samples[len(samples)-1])
	if read < m.x.Offset(begin)-nearBytes || read > m.x.Offset(end)+nearBytes {
		return
	}
	var run pages
	for _, number := range samples[:len(samples)-leftOut] {
		start, end := m.x.SampleRows(number)
		for row := start; row < end; row++ {
			data, size := m.x.Content(row)
			if !m.x.InSample(row) || size == 0 || size > smallMember {
				continue
			}
			if !run.add(data, data+size) {
				m.storePages(run, store)
				run = pages{}
				run.add(data, data+size)
			}
		}
	}
	m.storePages(run, store)
}

// pages is a run of pages of a file.
type pages struct{ from, to int64 }

// add adds the pages with a part of the file, if they continue the run.
func (r *pages) add(from, to int64) bool {
	from, to = from&^(page-1), roundUp(to, page)
	if r.to == 0 {
		*r = pages{from, to}
		return true
	}
	if from > r.to || from < r.from || to-r.from > mostPages {
		return false
	}
	r.to = max(r.to, to)
	return true
}

// storePages stores pages of Bytes.
func (m *Image) storePages(r pages, store func(file int, p []byte, off int64) error) {
	p := make([]byte, min(r.to, m.bytesSize())-r.from)
	if n, err := m.Bytes().read(context.Background(), p, r.from); err == nil && n == len(p) && n > 0 {
		_ = store(m.in.device, p, r.from) // the kernel will ask
	}
}
