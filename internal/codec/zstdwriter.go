package codec

import (
	"hash/crc32"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// zstdFrameSize is how many plain bytes a frame of zstdWriter has. Changing it changes the output.
const zstdFrameSize = 1 << 20

// zstdWriter writes zstd that every reader can read, and in which decoding can start at each MiB.
//
// It writes a frame for each MiB, with its size and a checksum, and after them a table of the frames in the seekable
// format that zstd documents; see zstdTable. The same plain bytes at the same level give the same compressed bytes,
// with any number of workers.
type zstdWriter struct {
	pieces *pipeline
	table  zstdTable
	extra  []byte
	closed bool
	err    error // result of Close
}

// newZstdWriter implements Format.NewWriter for Zstd. The library has only four different levels for the 19. Each
// worker needs about 5 MiB of memory, above level 9 several times as much.
func newZstdWriter(w io.Writer, level, workers int) (Encoder, error) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(max(1, workers)), // concurrent calls of EncodeAll
		zstd.WithWindowSize(zstdFrameSize),
		zstd.WithSingleSegment(true)) // otherwise small frames do not state their size
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
	if err != nil {
		return nil, err
	}
	return z, nil
}

// Write compresses plain bytes. It may return the error of an earlier write to the underlying writer.
func (z *zstdWriter) Write(p []byte) (int, error) { return z.pieces.Write(p) }

// Written implements Encoder.
func (z *zstdWriter) Written() int64 { return z.pieces.written.Load() }

// SetExtra implements Encoder. More than maxZstdExtra bytes are left out.
func (z *zstdWriter) SetExtra(b []byte) { z.extra = b }

// Close writes the rest and the table. Later calls return the same error.
func (z *zstdWriter) Close() error {
	if !z.closed {
		z.closed = true
		z.err = z.pieces.finish(func() []byte {
			var end []byte
			if z.table.Len() == 0 { // the command zstd rejects a file without frames
				end = append(end, zstdEmptyFrame...)
				z.table.add(0, len(end), 0)
			}
			end = z.table.appendNote(end, z.extra)
			return z.table.append(end)
		})
	}
	return z.err
}

// zstdEmptyFrame is a frame without plain bytes.
const zstdEmptyFrame = "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"
