package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/flate"
)

// segmentSize is how many plain bytes lie between two full flushes. It is part of the output: the same plain bytes always
// give the same compressed bytes.
const segmentSize = 1 << 20

// GzipWriter compresses to gzip that every reader of gzip can read, and in which decoding can start at each MiB.
//
// It writes one gzip member, because Python's tarfile in stream mode, which WebDataset uses, stops behind the first one
// without an error. The data is cut into segments that do not refer to each other. Behind the member stand empty ones
// that carry in their headers the table of the segments; see seekTable.
//
// Segments are compressed in parallel and written in order; the output does not depend on the number of workers. A
// GzipWriter is not safe for concurrent use.
type GzipWriter struct {
	w       io.Writer
	level   int
	segment *segment // the one being filled, or nil

	free  chan *segment // all others
	work  chan *segment // to be compressed
	queue chan *segment // to be written, in order

	running sync.WaitGroup
	failed  chan struct{} // closed when err is set
	err     error         // of the first write to w that failed
	closed  bool
}

// segment is a piece of plain bytes on its way through a GzipWriter.
type segment struct {
	plain []byte
	out   bytes.Buffer
	crc   uint32        // of plain
	done  chan struct{} // receives when out and crc are ready
}

// NewGzipWriter returns a writer that compresses with so many workers to w. level is 1 to 9, from fast to small; 0 means
// 1, because JPEG and the like, most of a shard, hardly get smaller with more effort. 0 workers mean GOMAXPROCS. Each
// worker needs about 3 MiB.
func NewGzipWriter(w io.Writer, level, workers int) (*GzipWriter, error) {
	if level == 0 {
		level = 1
	}
	if level < 1 || level > 9 {
		return nil, fmt.Errorf("gzip level %d: want 1 to 9", level)
	}
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if workers < 0 {
		return nil, fmt.Errorf("gzip with %d workers", workers)
	}
	// One segment for each worker, one that is being filled and one that is being written. No channel ever blocks its
	// sender, because each has room for all segments.
	segments := workers + 2
	z := &GzipWriter{
		w:      w,
		level:  level,
		free:   make(chan *segment, segments),
		work:   make(chan *segment, segments),
		queue:  make(chan *segment, segments),
		failed: make(chan struct{}),
	}
	for range segments {
		z.free <- &segment{done: make(chan struct{}, 1)}
	}
	for range workers {
		z.running.Go(z.compress)
	}
	z.running.Go(z.output)
	return z, nil
}

// Write takes plain bytes. An error is that of an earlier write to the underlying writer.
func (z *GzipWriter) Write(p []byte) (int, error) {
	if z.closed {
		return 0, errors.New("write to a closed gzip writer")
	}
	n := 0
	for n < len(p) {
		select {
		case <-z.failed:
			return n, z.err
		default:
		}
		if z.segment == nil {
			z.segment = <-z.free
			if z.segment.plain == nil {
				z.segment.plain = make([]byte, 0, segmentSize)
				z.segment.out.Grow(segmentSize + segmentSize>>8) // incompressible data grows a little
			}
			z.segment.plain = z.segment.plain[:0]
		}
		s := z.segment
		room := min(segmentSize-len(s.plain), len(p)-n)
		s.plain = append(s.plain, p[n:n+room]...)
		n += room
		if len(s.plain) == segmentSize {
			z.send()
		}
	}
	return n, nil
}

// send passes the filled segment on.
func (z *GzipWriter) send() {
	z.work <- z.segment
	z.queue <- z.segment
	z.segment = nil
}

// Close writes what is left, ends the member and writes the seek table. It must be called, even after an error, to end
// the goroutines of z; it does not close the underlying writer. Later calls return the same error.
func (z *GzipWriter) Close() error {
	if !z.closed {
		z.closed = true
		if z.segment != nil {
			z.send()
		}
		close(z.work)
		close(z.queue)
		z.running.Wait()
	}
	return z.err
}

// compress is a worker.
func (z *GzipWriter) compress() {
	var fw *flate.Writer
	for s := range z.work {
		s.out.Reset()
		if fw == nil {
			fw, _ = flate.NewWriter(&s.out, z.level) // only a wrong level is an error
		} else {
			fw.Reset(&s.out)
		}
		fw.Write(s.plain) // a bytes.Buffer takes everything
		fw.Flush()
		s.crc = crc32.ChecksumIEEE(s.plain)
		s.done <- struct{}{}
	}
}

// gzipHeader has no flags, no time and no name, so that the same data always gives the same bytes. The table cannot stand
// here: Python's tarfile in stream mode misreads data behind FEXTRA (python/cpython#107398).
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// deflateEnd is an empty final block.
const deflateEnd = "\x03\x00"

// output writes the segments in order, and all that stands before and behind them. After an error it only takes the
// segments, so that Write never waits for ever.
func (z *GzipWriter) output() {
	var (
		table seekTable
		crc   uint32
	)
	z.put([]byte(gzipHeader))
	for s := range z.queue {
		<-s.done
		z.put(s.out.Bytes())
		table.add(len(s.plain), s.out.Len(), s.crc)
		crc = crc32.Update(crc, crc32.IEEETable, s.plain)
		z.free <- s
	}
	end := []byte(deflateEnd)
	end = binary.LittleEndian.AppendUint32(end, crc)
	end = binary.LittleEndian.AppendUint32(end, uint32(table.plain))
	z.put(end)
	z.put(table.members())
}

// put writes p unless a write has failed before.
func (z *GzipWriter) put(p []byte) {
	if z.err != nil {
		return
	}
	n, err := z.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		z.err = fmt.Errorf("write gzip: %w", err)
		close(z.failed)
	}
}
