package codec

import (
	"encoding/binary"
	"io"
)

// BGZF, as bgzip writes it, is gzip in members of at most 64 KiB, plain and compressed. The header of each has the
// member's length. The last member is empty.
const (
	bgzfHeader = 18
	bgzfMagic  = "\x1f\x8b\x08\x04"
	bgzfExtra  = "\x06\x00BC\x02\x00" // extra field with one subfield of two bytes
	bgzfEnd    = bgzfMagic + "\x00\x00\x00\x00\x00\xff" + bgzfExtra + "\x1b\x00" + indexMemberEnd
)

// maxBGZF is the most members that readBGZF reads. Each takes 20 bytes of memory; full ones hold 256 GB of plain bytes.
const maxBGZF = 4 << 20

// readBGZF makes the map of a BGZF shard from the headers and trailers of its members. The checksums come from the
// trailers.
func readBGZF(r io.ReaderAt, size int64) (Map, bool) {
	end := make([]byte, len(bgzfEnd))
	if size < int64(len(end)) {
		return Map{}, false
	}
	if _, err := r.ReadAt(end, size-int64(len(end))); err != nil && err != io.EOF || string(end) != bgzfEnd {
		return Map{}, false
	}
	var (
		points segmentPoints
		in     int64
		seen   int
		// The trailer of a member and the header of the next are read together.
		head = make([]byte, 8+bgzfHeader)
	)
	if _, err := r.ReadAt(head[8:], 0); err != nil {
		return Map{}, false
	}
	for ; in < size; seen++ {
		h := head[8:]
		if seen == maxBGZF || string(h[:4]) != bgzfMagic || string(h[10:16]) != bgzfExtra {
			return Map{}, false
		}
		next := in + int64(binary.LittleEndian.Uint16(h[16:])) + 1
		if next-in < bgzfHeader+8 || next > size {
			return Map{}, false
		}
		if _, err := r.ReadAt(head[:min(int64(len(head)), size-next+8)], next-8); err != nil && err != io.EOF {
			return Map{}, false
		}
		sum, plain := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
		if plain > 1<<16 {
			return Map{}, false
		}
		if plain > 0 {
			points.add(in, int64(plain), sum)
		}
		in = next
	}
	return points.mapOf(true), true
}
