package indexformat

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/shardfs/shardfs/index"
)

// An index of Energon is a sequence of 64-bit numbers in the byte order of the machine, which is little-endian wherever
// Energon runs. They are plain offsets: of the first header of each sample, which can be an extended header, and
// finally of the end marker.

func exportEnergon(w io.Writer, x *index.Index) error {
	if x.Samples() == 0 {
		return fmt.Errorf("%w: it has no samples", ErrUnsuited)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	var buf [8]byte
	put := func(offset int64) {
		binary.LittleEndian.PutUint64(buf[:], uint64(offset))
		out.Write(buf[:]) // Flush returns the error
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

// ownsEnergon distinguishes an index of Energon from one of Lhotse, which has the same name and the same numbers, except
// that the last one is the size of the shard and not where its end marker is.
func ownsEnergon(in io.ReaderAt, size, shard int64) bool {
	var last [8]byte
	if size%8 != 0 || !beginsEnergon(beginning(in)) {
		return false
	}
	if _, err := in.ReadAt(last[:], size-8); err != nil {
		return false
	}
	const record = 20 * index.BlockSize // to which most shards are padded
	end := binary.LittleEndian.Uint64(last[:])
	if end%index.BlockSize != 0 || end > 1<<62 || int64(end) == shard {
		return false
	}
	return end%record != 0 || int64(end)+2*index.BlockSize <= shard
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
			return malformed("%d offsets are too few for a sample", n)
		case err == io.ErrUnexpectedEOF:
			return malformed("its size is not a multiple of 8 bytes")
		case err != nil:
			return err
		}
		offset := binary.LittleEndian.Uint64(buf[:])
		switch {
		case offset > uint64(im.size):
			return malformed("offset %d is %d, past the shard's %d bytes", n, offset, im.size)
		case offset%index.BlockSize != 0:
			return malformed("offset %d is %d, not a multiple of %d", n, offset, index.BlockSize)
		case int64(offset) <= before:
			return malformed("offset %d is %d, not greater than %d", n, offset, before)
		}
		before = int64(offset)
		im.starts = append(im.starts, before)
	}
}

// checkStarts compares the offsets of the samples and of the end marker.
func (im *Imported) checkStarts(x *index.Index) error {
	for number := range min(im.samples, x.Samples()) {
		s := x.Sample(number)
		if got, want := im.starts[number], x.Offset(s.Start); got != want {
			return differs("sample %d %q: at byte %d in the index, at %d in the shard", number, s.Key, got, want)
		}
	}
	if im.samples != x.Samples() {
		return differs("%d samples in the index, %d in the shard", im.samples, x.Samples())
	}
	if got, want := im.starts[im.samples], x.End(); got != want {
		return differs("the end marker: at byte %d in the index, at %d in the shard", got, want)
	}
	return nil
}
