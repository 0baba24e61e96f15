package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// ErrDamaged says that compressed bytes contradict themselves: bad deflate data, a wrong CRC32 or length, a bad header.
var ErrDamaged = errors.New("damaged gzip data")

// GzipOptions configures NewGzipReader. The zero value makes no checkpoints.
type GzipOptions struct {
	// Span is about how many plain bytes lie between two checkpoints; 0 means 2 MiB. A member start is preferred to a
	// place inside a member, so a distance can be half or one and a half of it; a single deflate block is never split.
	Span int64

	// OnCheckpoint is called in order of Out, from within Read, when all plain bytes before the checkpoint have been
	// returned by earlier calls of Read; at most half a span of bytes behind it have too. All checkpoints have been
	// reported when Read returns io.EOF or any other error. The Window is the callee's to keep. Nil means no checkpoints.
	OnCheckpoint func(Checkpoint)
}

// GzipReader decodes a gzip stream of one or more members in order. It verifies the CRC32 and the length of each member.
// Padding of zeros may stand between members and after the last one.
type GzipReader struct {
	in       input
	inflater io.Reader  // flate's decoder; nil before the first member
	place    *placement // nil if no checkpoints are wanted
	state    gzipState
	start    Checkpoint // where to start, in the state atCheckpoint
	out      int64      // plain offset of the next byte
	whole    bool       // the member was decoded from its start, so that crc and length can be compared
	crc      uint32     // of the member's plain bytes so far
	length   uint32     // of the member's plain bytes so far, mod 2^32
	members  int
	trailing int64
	err      error // returned from all further calls of Read
}

// gzipState says what the input of a GzipReader goes on with.
type gzipState uint8

const (
	atHeader gzipState = iota // a member, or the end
	atCheckpoint
	inData
	atTrailer
)

// NewGzipReader returns a reader of the plain bytes of r. It reads nothing from r yet; errors come from Read.
func NewGzipReader(r io.Reader, o GzipOptions) *GzipReader {
	z := new(GzipReader)
	z.in.reset(r, 0)
	if o.OnCheckpoint != nil {
		z.place = newPlacement(o)
	}
	return z
}

// Members returns how many members Read has begun to decode; after io.EOF it is the number of members of the stream.
func (z *GzipReader) Members() int { return z.members }

// Trailing returns, once Read has returned io.EOF, how many bytes follow the last member and the zeros behind it. They
// are not gzip and not an error.
func (z *GzipReader) Trailing() int64 { return z.trailing }

// Read returns plain bytes. It does not wait for compressed bytes while it has plain ones to return.
func (z *GzipReader) Read(p []byte) (int, error) {
	if z.place != nil {
		z.place.passed(z.out)
	}
	for z.err == nil {
		switch z.state {
		case atHeader:
			z.err = z.openMember()
		case atCheckpoint:
			z.err = z.openCheckpoint()
		case atTrailer:
			z.err = z.closeMember()
		case inData:
			n, err := z.inflater.Read(p)
			z.out += int64(n)
			if z.whole {
				z.crc = crc32.Update(z.crc, crc32.IEEETable, p[:n])
				z.length += uint32(n)
			}
			if err == io.EOF {
				z.state = atTrailer
			} else if err != nil {
				z.err = z.locate(err)
			}
			if n > 0 || err == nil {
				return n, nil
			}
		}
	}
	if z.place != nil {
		z.place.finish()
	}
	return 0, z.err
}

// openMember reads a header and prepares to decode what follows. It returns io.EOF behind the last member.
func (z *GzipReader) openMember() error {
	if z.members > 0 {
		if err := z.in.skipZeros(); err == io.EOF {
			return io.EOF
		} else if err != nil {
			return z.locate(err)
		}
	}
	start := z.in.offset()
	err := z.in.skipHeader()
	switch {
	case err == errNoMember && z.members == 0:
		return z.locate(fmt.Errorf("%w: %w", ErrDamaged, err))
	case err == errNoMember:
		if z.trailing, err = io.Copy(io.Discard, z.in.br); err != nil {
			return z.locate(err)
		}
		return io.EOF
	case err != nil:
		return z.locate(err)
	}
	if z.place != nil {
		z.place.member(z.out, start)
	}
	z.members++
	z.crc, z.length, z.whole = 0, 0, true
	return z.inflate(flate.InflateCheckpoint{CompressedOffset: z.in.offset(), UncompressedOffset: z.out})
}

// openCheckpoint prepares to decode from the block that z.start stands before.
func (z *GzipReader) openCheckpoint() error {
	if z.start.Bit > 7 { // flate does not check it, and panics later
		return z.locate(fmt.Errorf("checkpoint at bit %d of a byte", z.start.Bit))
	}
	z.members++
	z.whole = false
	return z.inflate(flate.InflateCheckpoint{
		CompressedOffset: z.start.In,
		BitOffset:        z.start.Bit,
		Window:           z.start.Window,
	})
}

// inflate sets up the decoder at c, which the input has reached. Its offsets are those of the shard, so that what flate
// says in errors and callbacks is true for the shard too.
func (z *GzipReader) inflate(c flate.InflateCheckpoint) error {
	z.state = inData
	if z.place != nil {
		var drift storedDrift
		blockEnd := func(c flate.InflateCheckpoint) {
			in := drift.correct(c, z.in.offset())
			if !c.Final {
				z.place.block(c.UncompressedOffset, in, c.BitOffset, c.Window)
			}
		}
		z.inflater = flate.NewReaderOpts(z.in.br, flate.WithResumeFrom(c), flate.WithEobCallback(blockEnd))
		return nil
	}
	if z.inflater == nil {
		z.inflater = flate.NewReader(z.in.br)
	}
	if err := z.inflater.(resumer).ResetCP(z.in.br, c); err != nil {
		return z.locate(err)
	}
	return nil
}

// resumer is what flate's decoder can do beyond io.Reader. A reset forgets the callback.
type resumer interface {
	ResetCP(io.Reader, flate.InflateCheckpoint) error
}

// closeMember reads the trailer and compares it with what was decoded.
func (z *GzipReader) closeMember() error {
	trailer, err := z.in.br.Peek(8)
	if err != nil {
		return z.locate(err)
	}
	crc, length := binary.LittleEndian.Uint32(trailer), binary.LittleEndian.Uint32(trailer[4:])
	switch {
	case z.whole && crc != z.crc:
		return z.locate(fmt.Errorf("%w: CRC32 %08x, want %08x", ErrDamaged, z.crc, crc))
	case z.whole && length != z.length:
		return z.locate(fmt.Errorf("%w: length %d, want %d", ErrDamaged, z.length, length))
	}
	z.state = atHeader
	if _, err := z.in.br.Discard(8); err != nil {
		return z.locate(err)
	}
	return nil
}

// locate says at which compressed byte err struck, and makes the kinds of err that callers test for.
func (z *GzipReader) locate(err error) error {
	switch err.(type) {
	case flate.CorruptInputError, flate.InternalError:
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the end is clean only behind a member, where openMember sees to it
	}
	return fmt.Errorf("compressed byte %d: %w", z.in.offset(), err)
}

// resume makes z decode from c on, without checkpoints of its own. The first byte of r is the one at c.In.
func (z *GzipReader) resume(r io.Reader, c Checkpoint) {
	z.in.reset(r, c.In)
	z.out, z.start, z.err = c.Out, c, nil
	z.members, z.trailing = 0, 0
	z.state = atCheckpoint
	if c.Member {
		z.state = atHeader
	}
}
