package codec

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// gzipDecoder decodes gzip of one or more members. It verifies the CRC32 and the length of each member that it
// decodes from its start. Zeros may pad members and the end.
type gzipDecoder struct {
	in       input
	inflater io.Reader // a decoder of package flate; nil before the first member
	offer    func(Checkpoint)
	drift    storedDrift
	state    gzipState
	out      int64  // plain offset of the next byte
	whole    bool   // the member was decoded from its start, so that crc and length can be compared
	crc      uint32 // of the member's plain bytes so far
	length   uint32 // of the member's plain bytes so far, mod 2^32
	members  int    // number of members that have begun
	rest     int64  // trailing bytes
	err      error  // returned from all further calls of Read
}

// gzipState is what comes next in the input of a gzipDecoder.
type gzipState uint8

const (
	atHeader gzipState = iota // a member, or the end
	inData
	atTrailer
)

func newGzipDecoder(offer func(Checkpoint)) *gzipDecoder { return &gzipDecoder{offer: offer} }

// start implements decoder.
func (d *gzipDecoder) start(r io.Reader, c Checkpoint) error {
	d.in.reset(r, c.In)
	d.out, d.err = c.Out, nil
	d.members, d.rest = 0, 0
	d.state = atHeader
	if c.Member {
		return nil
	}
	d.members++
	d.whole = false
	bit, err := c.bit() // checked here, because flate would panic later
	if err != nil {
		d.err = d.locate(err)
	} else {
		d.err = d.inflate(flate.InflateCheckpoint{CompressedOffset: c.In, BitOffset: bit, Window: c.Window})
	}
	return d.err
}

// bit returns the State of a checkpoint of gzip or bzip2: how many bits of the byte at In belong to data before the
// checkpoint.
func (c Checkpoint) bit() (uint8, error) {
	if c.State > 7 {
		return 0, fmt.Errorf("checkpoint at bit %d of a byte", c.State)
	}
	return c.State, nil
}

// trailing implements decoder.
func (d *gzipDecoder) trailing() int64 { return d.rest }

// Read returns plain bytes. It does not wait for compressed bytes while it has plain bytes to return.
func (d *gzipDecoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, d.err
	}
	for d.err == nil {
		switch d.state {
		case atHeader:
			d.err = d.openMember()
		case atTrailer:
			d.err = d.closeMember()
		case inData:
			n, err := d.inflater.Read(p)
			d.out += int64(n)
			if d.whole {
				d.crc = crc32.Update(d.crc, crc32.IEEETable, p[:n])
				d.length += uint32(n)
			}
			if err == io.EOF {
				d.state = atTrailer
			} else if err != nil {
				d.err = d.locate(err)
			}
			if n > 0 {
				return n, nil
			}
		}
	}
	return 0, d.err
}

// openMember reads a header and prepares to decode what follows. It returns io.EOF after the last member.
func (d *gzipDecoder) openMember() error {
	if d.members > 0 {
		if err := d.in.skipZeros(); err == io.EOF {
			return io.EOF
		} else if err != nil {
			return d.locate(err)
		}
	}
	start := d.in.offset()
	err := d.in.skipHeader()
	switch {
	case err == errNoMember && d.members == 0:
		return d.locate(fmt.Errorf("%w: %w", ErrDamaged, err))
	case err == errNoMember:
		if d.rest, err = io.Copy(io.Discard, d.in.br); err != nil {
			return d.locate(err)
		}
		return io.EOF
	case err != nil:
		return d.locate(err)
	}
	if d.offer != nil {
		d.offer(Checkpoint{Out: d.out, In: start, Member: true})
	}
	d.members++
	d.crc, d.length, d.whole = 0, 0, true
	return d.inflate(flate.InflateCheckpoint{CompressedOffset: d.in.offset(), UncompressedOffset: d.out})
}

// inflate sets up flate at c, which the input has reached. The offsets in c are those in the shard, and so are those
// that flate puts into errors and callbacks.
func (d *gzipDecoder) inflate(c flate.InflateCheckpoint) error {
	d.state = inData
	if d.inflater == nil {
		d.inflater = flate.NewReader(d.in.br)
	}
	if err := d.inflater.(resumer).ResetCP(d.in.br, c); err != nil {
		return d.locate(err)
	}
	if d.offer != nil {
		d.drift = 0
		apply(flate.WithEobCallback(d.blockEnd), d.inflater)
	}
	return nil
}

// blockEnd is called by flate at the end of each block.
func (d *gzipDecoder) blockEnd(c flate.InflateCheckpoint) {
	in := d.drift.correct(c, d.in.offset())
	if !c.Final {
		d.offer(Checkpoint{Out: c.UncompressedOffset, In: in, State: c.BitOffset, Window: c.Window})
	}
}

// apply applies an option of flate.NewReader to an existing decoder. A reset drops the callback, and a new decoder for
// each member would take ten times as long as decoding a small one. T is the type of the decoder, which flate does not
// export.
func apply[T any](option func(T), decoder any) { option(decoder.(T)) }

// resumer is the method of a flate decoder that starts it at a checkpoint.
type resumer interface {
	ResetCP(io.Reader, flate.InflateCheckpoint) error
}

// closeMember reads the trailer and compares it with what was decoded.
func (d *gzipDecoder) closeMember() error {
	trailer, err := d.in.br.Peek(8)
	if err != nil {
		return d.locate(err)
	}
	crc, length := binary.LittleEndian.Uint32(trailer), binary.LittleEndian.Uint32(trailer[4:])
	switch {
	case d.whole && crc != d.crc:
		return d.locate(fmt.Errorf("%w: CRC32 %08x, want %08x", ErrDamaged, d.crc, crc))
	case d.whole && length != d.length:
		return d.locate(fmt.Errorf("%w: length %d, want %d", ErrDamaged, d.length, length))
	}
	d.state = atHeader
	if _, err := d.in.br.Discard(8); err != nil {
		return d.locate(err)
	}
	return nil
}

// locate adds the offset of the compressed byte to err, and wraps errors of flate in ErrDamaged.
func (d *gzipDecoder) locate(err error) error {
	switch err.(type) {
	case flate.CorruptInputError, flate.InternalError:
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return locate(d.in.offset(), err)
}

// storedDrift corrects the offsets in one member for a bug of flate v1.20.3: when a stored block begins, the whole
// bytes in flate's bit buffer are counted twice, so the reported end of this block and of all later ones is too large
// by that much. The zero value is ready for a new member.
type storedDrift int64

// correct returns the offset of the compressed byte with the first bit after a block. consumed is the offset of the
// next byte that flate will read.
//
// After a stored block flate's bit buffer is empty, so the drift is exactly the distance from consumed to the reported
// offset. After any other block that ends on a whole byte the buffer may have bytes, which makes the difference
// smaller, never larger; hence the maximum. With a flate that counts correctly the drift stays 0.
func (d *storedDrift) correct(c flate.InflateCheckpoint, consumed int64) int64 {
	if c.BitOffset == 0 {
		*d = max(*d, storedDrift(c.CompressedOffset-consumed))
	}
	return c.CompressedOffset - int64(*d)
}
