package indexformat

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/shardfs/shardfs/index"
)

// An index of Energon is a row of 64-bit numbers in the byte order of the machine, which is little-endian wherever Energon
// runs: where the first header of each sample's first member starts, extended headers included, and at last where the end
// marker starts. The offsets are those of the plain shard.

func exportEnergon(w io.Writer, x *index.Index) error {
	if x.Samples() == 0 {
		return fmt.Errorf("%w: it has no samples", ErrUnsuited)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	var buf [8]byte
	put := func(offset int64) {
		binary.LittleEndian.PutUint64(buf[:], uint64(offset))
		out.Write(buf[:]) // Flush tells an error
	}
	for number := range x.Samples() {
		put(x.Offset(x.Sample(number).Start))
	}
	put(x.End())
	return out.Flush()
}

// beginsEnergon reports whether the first two numbers can be offsets of samples.
func beginsEnergon(head []byte) bool {
	if len(head) < 16 {
		return false
	}
	first, second := binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint64(head[8:])
	return first < second && first%index.BlockSize == 0 && second%index.BlockSize == 0 && second < 1<<62
}

func (im *Imported) readEnergon(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var buf [8]byte
	before := int64(-1)
	for n := 0; ; n++ {
		switch _, err := io.ReadFull(in, buf[:]); {
		case err == io.EOF && n >= 2:
			im.samples = n - 1
			return nil
		case err == io.EOF:
			return fmt.Errorf("%w: %d offsets are of no sample", ErrMalformed, n)
		case err == io.ErrUnexpectedEOF:
			return fmt.Errorf("%w: its size is no multiple of 8 bytes", ErrMalformed)
		case err != nil:
			return err
		}
		offset := binary.LittleEndian.Uint64(buf[:])
		switch {
		case offset > uint64(im.size):
			return fmt.Errorf("%w: offset %d is %d, behind the shard's %d bytes", ErrMalformed, n, offset, im.size)
		case offset%index.BlockSize != 0:
			return fmt.Errorf("%w: offset %d is %d, no multiple of %d", ErrMalformed, n, offset, index.BlockSize)
		case int64(offset) <= before:
			return fmt.Errorf("%w: offset %d is %d, not behind %d", ErrMalformed, n, offset, before)
		}
		before = int64(offset)
		im.starts = append(im.starts, before)
	}
}

// checkStarts compares the offsets of samples.
func (im *Imported) checkStarts(x *index.Index) error {
	for number := range min(im.samples, x.Samples()) {
		s := x.Sample(number)
		if theirs, ours := im.starts[number], x.Offset(s.Start); theirs != ours {
			return fmt.Errorf("%w: sample %d %q: theirs starts at byte %d, ours at %d", ErrDiffers, number, s.Key, theirs, ours)
		}
	}
	if im.samples != x.Samples() {
		return fmt.Errorf("%w: %d samples, ours are %d", ErrDiffers, im.samples, x.Samples())
	}
	if theirs, ours := im.starts[im.samples], x.End(); theirs != ours {
		return fmt.Errorf("%w: the end marker: theirs at byte %d, ours at %d", ErrDiffers, theirs, ours)
	}
	return nil
}
