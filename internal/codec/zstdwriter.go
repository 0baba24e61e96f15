package codec

import (
	"hash/crc32"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// zstdFrameSize is how many plain bytes a frame of zstdWriter holds. It is part of the output: the same plain bytes always
// give the same compressed bytes.
const zstdFrameSize = 1 << 20

// zstdWriter compresses to zstd that every reader of zstd can read, and in which decoding can start at each MiB.
//
// It writes a frame for each MiB, with its size and a checksum, and behind the data a table of the frames in the seekable
// format that zstd documents; see zstdTable. Frames are compressed in parallel and written in order; the output does not
// depend on the number of workers. A zstdWriter is not safe for concurrent use.
type zstdWriter struct {
	pieces *pipeline
	table  zstdTable
	extra  []byte
	closed bool
	err    error // of Close
}

// newZstdWriter returns a writer that compresses with so many workers to w, at a level from 1 to 19, which are in fact
// four different ones. 0 workers mean GOMAXPROCS. Each worker needs about 5 MiB, above level 9 some times as much.
func newZstdWriter(w io.Writer, level, workers int) (*zstdWriter, error) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(max(1, workers)), // calls of EncodeAll
		zstd.WithWindowSize(zstdFrameSize),
		zstd.WithSingleSegment(true)) // or else small frames do not say how many bytes they hold
	if err != nil {
		return nil, err
	}
	compress := func(p *piece) {
		p.out = e.EncodeAll(p.plain, p.out[:0])
		p.crc = crc32.ChecksumIEEE(p.plain)
	}
	z := new(zstdWriter)
	wrote := func(p *piece) { z.table.add(len(p.plain), len(p.out), p.crc) }
	z.pieces, err = newPipeline(w, Zstd, zstdFrameSize, workers, func() func(*piece) { return compress }, wrote)
	return z, err
}

// Write takes plain bytes. An error is that of an earlier write to the underlying writer.
func (z *zstdWriter) Write(p []byte) (int, error) { return z.pieces.Write(p) }

// Written returns how many plain bytes can be decoded from what the underlying writer has been given. Any goroutine may ask.
func (z *zstdWriter) Written() int64 { return z.pieces.written.Load() }

// SetExtra keeps b beside the data, where ReadMap finds it and every other reader skips it; more than maxZstdExtra bytes are
// left out. b is not copied and must not change before Close has returned.
func (z *zstdWriter) SetExtra(b []byte) { z.extra = b }

// Close writes what is left and the table. It must be called, even after an error, to end the goroutines of z; it does not
// close the underlying writer. Later calls return the same error.
func (z *zstdWriter) Close() error {
	if !z.closed {
		z.closed = true
		z.err = z.pieces.finish(func() []byte {
			var end []byte
			if z.table.Len() == 0 { // zstd takes a file without a frame for damage
				end = append(end, zstdEmptyFrame...)
				z.table.add(0, len(end), 0)
			}
			end = z.table.appendNote(end, z.extra)
			return z.table.append(end)
		})
	}
	return z.err
}

// zstdEmptyFrame holds nothing.
const zstdEmptyFrame = "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"
