package codec

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// segmentSize is how many plain bytes lie between two full flushes. It is part of the output: the same plain bytes always
// give the same compressed bytes.
const segmentSize = 1 << 20

// gzipWriter compresses to gzip that every reader of gzip can read, and in which decoding can start at each MiB.
//
// It writes one gzip member, because Python's tarfile in stream mode, which WebDataset uses, stops behind the first one
// without an error. The data is cut into segments that do not refer to each other. Behind the member stand empty ones
// that carry in their headers the table of the segments; see seekTable.
//
// Segments are compressed in parallel and written in order; the output does not depend on the number of workers. A
// gzipWriter is not safe for concurrent use.
type gzipWriter struct {
	segments *pipeline
	table    seekTable
	crc      uint32 // of all segments
	extra    []byte
	closed   bool
	err      error // of Close
}

// newGzipWriter returns a writer that compresses with so many workers to w, at a level from 1 to 9. 0 workers mean
// GOMAXPROCS. Each worker needs about 3 MiB.
func newGzipWriter(w io.Writer, level, workers int) (*gzipWriter, error) {
	worker := func() func(*piece) {
		fw, _ := flate.NewWriter(nil, level) // only a wrong level is an error
		return func(p *piece) {
			if p.out == nil {
				p.out = make([]byte, 0, segmentSize+segmentSize>>8) // incompressible data grows a little
			}
			out := bytes.NewBuffer(p.out[:0]) // which takes everything
			fw.Reset(out)
			fw.Write(p.plain)
			fw.Flush()
			p.out, p.crc = out.Bytes(), crc32.ChecksumIEEE(p.plain)
		}
	}
	z := new(gzipWriter)
	wrote := func(p *piece) {
		z.table.add(len(p.plain), len(p.out), p.crc)
		z.crc = crc32.Update(z.crc, crc32.IEEETable, p.plain)
	}
	var err error
	z.segments, err = newPipeline(&headWriter{w, gzipHeader}, Gzip, segmentSize, workers, worker, wrote)
	return z, err
}

// Write takes plain bytes. An error is that of an earlier write to the underlying writer.
func (z *gzipWriter) Write(p []byte) (int, error) { return z.segments.Write(p) }

// Written returns how many plain bytes can be decoded from what the underlying writer has been given. Any goroutine may ask.
func (z *gzipWriter) Written() int64 { return z.segments.written.Load() }

// SetExtra keeps b beside the data, where ReadMap finds it and every other reader skips it; more than maxExtra bytes are left
// out. b is not copied and must not change before Close has returned.
func (z *gzipWriter) SetExtra(b []byte) { z.extra = b }

// Close writes what is left, ends the member and writes the seek table. It must be called, even after an error, to end
// the goroutines of z; it does not close the underlying writer. Later calls return the same error.
func (z *gzipWriter) Close() error {
	if !z.closed {
		z.closed = true
		z.err = z.segments.finish(func() []byte {
			end := []byte(deflateEnd)
			end = binary.LittleEndian.AppendUint32(end, z.crc)
			end = binary.LittleEndian.AppendUint32(end, uint32(z.table.plain))
			return append(end, z.table.members(z.extra)...)
		})
	}
	return z.err
}

// gzipHeader has no flags, no time and no name, so that the same data always gives the same bytes. The table cannot stand
// here: Python's tarfile in stream mode misreads data behind FEXTRA (python/cpython#107398).
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// deflateEnd is an empty final block.
const deflateEnd = "\x03\x00"

// headWriter writes head before all else.
type headWriter struct {
	w    io.Writer
	head string
}

func (h *headWriter) Write(p []byte) (int, error) {
	if h.head != "" {
		n, err := io.WriteString(h.w, h.head)
		if err == nil && n < len(h.head) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return 0, err
		}
		h.head = ""
	}
	return h.w.Write(p)
}
