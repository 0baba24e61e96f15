package codec

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// segmentSize is the number of plain bytes between two places where decoding can start. Changing it changes the output.
const segmentSize = 1 << 20

// gzipWriter writes gzip that every reader can read, and in which decoding can start at each MiB.
//
// It writes one gzip member, because Python's tarfile in stream mode, which WebDataset uses, stops after the first one
// without an error. The data is cut into segments that do not refer to each other. Empty members follow, with the table
// of the segments in their headers; see seekTable.
//
// The same plain bytes at the same level give the same compressed bytes, with any number of workers.
type gzipWriter struct {
	segments *pipeline
	table    seekTable
	crc      uint32 // of all segments so far
	extra    []byte
	closed   bool
	err      error // result of Close
}

// newGzipWriter implements Format.NewWriter for Gzip. Each worker needs about 3 MiB of memory.
func newGzipWriter(w io.Writer, level, workers int) (Encoder, error) {
	worker := func() func(*piece) {
		fw, _ := flate.NewWriter(nil, level) // fails only for a wrong level
		return func(p *piece) {
			if p.out == nil {
				p.out = make([]byte, 0, segmentSize+segmentSize>>8) // room for data that grows a little
			}
			out := bytes.NewBuffer(p.out[:0]) // writes to it never fail
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
	if err != nil {
		return nil, err
	}
	return z, nil
}

// Write compresses plain bytes. It may return the error of an earlier write to the underlying writer.
func (z *gzipWriter) Write(p []byte) (int, error) { return z.segments.Write(p) }

// Written implements Encoder.
func (z *gzipWriter) Written() int64 { return z.segments.written.Load() }

// SetExtra implements Encoder. More than maxExtra bytes are left out.
func (z *gzipWriter) SetExtra(b []byte) { z.extra = b }

// Close writes the rest, ends the member and writes the seek table. Later calls return the same error.
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

// gzipHeader has no flags, no time and no name, so that the same data always gives the same bytes. The table cannot
// be an extra field here: Python's tarfile in stream mode misreads data that follows one (python/cpython#107398).
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// deflateEnd is an empty final block.
const deflateEnd = "\x03\x00"

// headWriter writes head before anything else.
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
