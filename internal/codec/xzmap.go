package codec

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
)

// Limits of readXZMap: blocks, which take 48 bytes of memory each, and bytes of padding between two streams.
const (
	maxXZBlocks  = 1 << 18
	maxXZPadding = 1 << 20
)

// xzRecord is the record of a block in an index.
type xzRecord struct{ unpadded, plain uint64 }

// readXZMap implements ReadMap for XZ by the indexes at the ends of the streams. An index is used only if the headers
// of the blocks state the same sizes, as those of multi-threaded xz do, because the decoder verifies them.
func readXZMap(r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) {
	type stream struct {
		start  int64
		check  int
		blocks []xzRecord
	}
	var streams []stream // last one first
	total := 0
	for end := size; end > 0; {
		if end = skipXZPaddingBefore(r, end); end < 0 {
			return Map{}, nil, false
		}
		start, check, blocks, ok := readXZStreamBefore(r, end)
		if total += len(blocks); !ok || total > maxXZBlocks {
			return Map{}, nil, false
		}
		streams = append(streams, stream{start, check, blocks})
		end = start
	}
	var points pointList
	for _, s := range slices.Backward(streams) {
		in := s.start + xzHeaderSize
		for i, b := range s.blocks {
			if !statesXZSizes(r, in, b, s.check) {
				return Map{}, nil, false
			}
			c := Checkpoint{Out: m.Plain, In: in, State: uint8(s.check)}
			if i == 0 {
				c = Checkpoint{Out: m.Plain, In: s.start, Member: true}
			}
			points = append(points, c)
			in += int64(b.unpadded+3) &^ 3
			if m.Plain += int64(b.plain); m.Plain < 0 {
				return Map{}, nil, false
			}
		}
	}
	m.Points = points
	return m, nil, len(points) > 0
}

// skipXZPaddingBefore returns where the zeros before end begin, which is the end of a stream, or -1 if there are too
// many.
func skipXZPaddingBefore(r io.ReaderAt, end int64) int64 {
	for range maxXZPadding / 4 {
		var word [4]byte
		if readAt(r, word[:], end-4) != nil {
			return -1
		}
		if word != [4]byte{} {
			return end
		}
		end -= 4
	}
	return -1
}

// readXZStreamBefore reads the index of the stream that ends at end.
func readXZStreamBefore(r io.ReaderAt, end int64) (start int64, check int, blocks []xzRecord, ok bool) {
	var footer, header [xzHeaderSize]byte
	if readAt(r, footer[:], end-xzHeaderSize) != nil {
		return 0, 0, nil, false
	}
	for check < len(xzChecks) && xzChecks[check].id != footer[9] {
		check++
	}
	size := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	index := end - xzHeaderSize - size
	if check == len(xzChecks) || index < xzHeaderSize ||
		string(footer[:]) != string(appendXZFooter(nil, int(size), check)) {
		return 0, 0, nil, false
	}

	var in input
	in.reset(io.NewSectionReader(r, index, size), 0)
	start = index
	_, read, err := readXZIndex(&in, func(unpadded, plain uint64) bool {
		if unpadded > uint64(start) || plain > 1<<62 || len(blocks) == maxXZBlocks {
			return false
		}
		start -= int64(unpadded+3) &^ 3
		blocks = append(blocks, xzRecord{unpadded, plain})
		return true
	})
	start -= xzHeaderSize
	if err != nil || int64(read) != size || start < 0 || readAt(r, header[:], start) != nil {
		return 0, 0, nil, false
	}
	return start, check, blocks, string(header[:]) == string(appendXZHeader(nil, check))
}

// statesXZSizes reports whether the header of the block at off states the sizes in the record b of an index.
func statesXZSizes(r io.ReaderAt, off int64, b xzRecord, check int) bool {
	var buf [1024]byte
	if readAt(r, buf[:1], off) != nil {
		return false
	}
	head := buf[:(int(buf[0])+1)*4]
	if readAt(r, head, off) != nil {
		return false
	}
	end := len(head) - 4
	const both = 0xc0 // both sizes are stated
	if crc32.ChecksumIEEE(head[:end]) != binary.LittleEndian.Uint32(head[end:]) || head[1]&both != both {
		return false
	}
	compressed, n := binary.Uvarint(head[2:end])
	if n <= 0 {
		return false
	}
	plain, m := binary.Uvarint(head[2+n : end])
	return m > 0 && plain == b.plain && uint64(len(head))+compressed+uint64(xzChecks[check].size) == b.unpadded
}
