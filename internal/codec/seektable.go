package codec

import (
	"encoding/binary"
	"hash/crc32"
)

// seekTable collects the segments of a GzipWriter. It is written as empty gzip members behind the data member, which
// decode to nothing and hold the table in their header, RFC 1952 section 2.3.1.1, as the extra subfield "SX":
//
//	1f 8b 08 04 00000000 00 ff | XLEN = LEN+4 | 'S' 'X' | LEN | payload of LEN bytes | 03 00 | 00000000 | 00000000
//
// Each payload is
//
//	version u8 = 1 | part u8 | parts u8
//	only in part 0: uvarint length of the data member | uvarint plain length | uvarint number of segments
//	for each segment: uvarint plain length | uvarint compressed length | CRC32 of the plain bytes
//	CRC32 of the payload so far | u32 distance from the first of these members to the end of the file | "SFGZIDX1"
//
// with all numbers of fixed size little-endian. So the first member is found from the last bytes of the file. Segment 0
// begins behind the 10 bytes of the data member's header; behind the last one stand 10 bytes more.
type seekTable struct {
	records    []byte // of the segments, as in the payload
	ends       []int  // offset in records where each one ends
	plain      int64  // plain length of all segments
	compressed int64  // compressed length of all segments
}

const (
	seekTableVersion = 1
	seekTableMagic   = "SFGZIDX1"
	seekTableTail    = 4 + 4 + len(seekTableMagic)

	maxSeekTablePayload = 1<<16 - 1 - 4 // what XLEN leaves for it
	seekTableFraming    = 26            // bytes of a member beside its payload
)

// add appends a segment.
func (t *seekTable) add(plain, compressed int, crc uint32) {
	t.records = binary.AppendUvarint(t.records, uint64(plain))
	t.records = binary.AppendUvarint(t.records, uint64(compressed))
	t.records = binary.LittleEndian.AppendUint32(t.records, crc)
	t.ends = append(t.ends, len(t.records))
	t.plain += int64(plain)
	t.compressed += int64(compressed)
}

// members returns the table as gzip members. More than 255 of them, 1.6 TB of plain bytes, cannot be numbered; then it
// returns none, and the shard has to be read once before it can be sought in, like any other.
func (t *seekTable) members() []byte {
	parts := t.payloads()
	if len(parts) > 255 {
		return nil
	}
	distance := 0
	for _, p := range parts {
		distance += seekTableFraming + len(p) + seekTableTail
	}
	out := make([]byte, 0, distance)
	for _, p := range parts {
		p[2] = byte(len(parts))
		p = binary.LittleEndian.AppendUint32(p, crc32.ChecksumIEEE(p))
		p = binary.LittleEndian.AppendUint32(p, uint32(distance))
		p = append(p, seekTableMagic...)

		out = append(out, gzipHeader...)
		out[len(out)-len(gzipHeader)+3] = flagExtra
		out = binary.LittleEndian.AppendUint16(out, uint16(len(p)+4))
		out = append(out, 'S', 'X')
		out = binary.LittleEndian.AppendUint16(out, uint16(len(p)))
		out = append(out, p...)
		out = append(out, deflateEnd...)
		out = append(out, make([]byte, 8)...) // CRC32 and length of nothing
	}
	return out
}

// payloads cuts the table into payloads, without their tails and with the number of parts still 0. No record is cut.
func (t *seekTable) payloads() [][]byte {
	first := []byte{seekTableVersion, 0, 0}
	first = binary.AppendUvarint(first, uint64(len(gzipHeader))+uint64(t.compressed)+uint64(len(deflateEnd))+8)
	first = binary.AppendUvarint(first, uint64(t.plain))
	first = binary.AppendUvarint(first, uint64(len(t.ends)))

	parts := [][]byte{first}
	start := 0
	for _, end := range t.ends {
		last := &parts[len(parts)-1]
		if len(*last)+end-start > maxSeekTablePayload-seekTableTail {
			parts = append(parts, []byte{seekTableVersion, byte(len(parts)), 0})
			last = &parts[len(parts)-1]
		}
		*last = append(*last, t.records[start:end]...)
		start = end
	}
	return parts
}
