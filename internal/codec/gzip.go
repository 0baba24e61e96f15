package codec

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/shardfs/shardfs/internal/codec/inflate"
)

// gzipDecoder decodes gzip of one or more members. It verifies the CRC32 and the length of each member that it
// decodes from its start. Zeros may pad members and the end.
type gzipDecoder struct {
	in       input
	inflater *inflate.Reader
	plain    []byte // what the inflater has decoded and Read has not returned
	offer    func(Checkpoint)
	copied   func(out int64, copies []inflate.Copy) // see copier; may be nil
	state    gzipState
	out      int64  // plain offset after plain
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

func newGzipDecoder(offer func(Checkpoint)) *gzipDecoder {
	return &gzipDecoder{inflater: inflate.NewReader(), offer: offer}
}

// onCopies implements copier.
func (d *gzipDecoder) onCopies(f func(out int64, copies []inflate.Copy)) {
	d.inflater.KeepCopies()
	d.copied = f
}

// start implements decoder.
func (d *gzipDecoder) start(r io.Reader, c Checkpoint) error {
	d.in.reset(r, c.In)
	d.out, d.plain, d.err = c.Out, nil, nil
	d.members, d.rest = 0, 0
	d.state = atHeader
	if c.Member {
		return nil
	}
	d.members++
	d.whole = false
	bit, err := c.bit()
	if err != nil {
		d.err = d.locate(err)
		return d.err
	}
	d.inflater.Reset(d.in.br, bit, c.Window)
	d.state = inData
	return nil
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
		if n := copy(p, d.plain); n > 0 {
			d.plain = d.plain[n:]
			return n, nil
		}
		switch d.state {
		case atHeader:
			d.err = d.openMember()
		case atTrailer:
			d.err = d.closeMember()
		case inData:
			d.err = d.decode(len(p))
		}
	}
	return 0, d.err
}

// decode makes the inflater decode about most bytes, up to the end of a block.
func (d *gzipDecoder) decode(most int) error {
	plain, err := d.inflater.Next(most)
	if err == io.EOF {
		d.state = atTrailer
		return nil
	} else if _, ok := err.(inflate.Corrupt); ok {
		return d.locate(fmt.Errorf("%w: %w", ErrDamaged, err))
	} else if err != nil {
		return locate(d.in.end, err)
	}
	if d.copied != nil {
		d.copied(d.out, d.inflater.Copies())
	}
	d.plain = plain
	d.out += int64(len(plain))
	if d.whole {
		d.crc = crc32.Update(d.crc, crc32.IEEETable, plain)
		d.length += uint32(len(plain))
	}
	if bit, ok := d.inflater.AtBlock(); ok && d.offer != nil {
		d.offer(Checkpoint{Out: d.out, In: d.in.offset(), State: bit, Window: d.inflater.Window()})
	}
	return nil
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
	d.inflater.Reset(d.in.br, 0, nil)
	d.state = inData
	return nil
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

// locate adds the offset of the next compressed byte to err.
func (d *gzipDecoder) locate(err error) error { return locate(d.in.offset(), err) }
