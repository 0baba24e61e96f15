package codec

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// seekTable collects the segments of a gzipWriter. It is written as empty gzip members after the data member. They
// decode to nothing and have the table in their headers as the extra subfield "SX" (RFC 1952, section 2.3.1.1):
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
// where all numbers of fixed size are little-endian. A reader finds the first of these members by the last bytes of
// the file. Segment 0 begins after the 10 bytes of the data member's header; 10 bytes follow the last segment.
//
// Further members of the same kind may follow, with the bytes given to SetExtra as the subfield "SI". Their payloads
// are
//
//	version u8 = 1 | part u16 | parts u16 | bytes | the same tail
type seekTable struct {
	records    []byte // the segments, as in the payload
	ends       []int  // offset in records where each one ends
	plain      int64  // plain length of all segments
	compressed int64  // compressed length of all segments
}

const (
	seekTableID      = "SX"
	seekTableVersion = 1
	seekTableMagic   = "SFGZIDX1"
	seekTableTail    = 4 + 4 + len(seekTableMagic)

	maxSeekTablePayload = 1<<16 - 1 - 4 // limit of an extra field
	seekTableFraming    = 26            // bytes of a member without its payload

	indexMemberHeader = "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
	indexMemberEnd    = deflateEnd + "\x00\x00\x00\x00\x00\x00\x00\x00" // CRC32 and length of nothing
	dataMemberEnd     = len(deflateEnd) + 8

	extraID      = "SI"
	extraVersion = 1
	extraHead    = 1 + 2 + 2
	maxExtra     = 128 << 20
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

// members returns the gzip members with the table and those with extra. A table of more than 255 members, for more
// than 1.6 TB of plain bytes, cannot be numbered; then it returns none, and the shard needs a pass, like gzip from
// other tools.
func (t *seekTable) members(extra []byte) []byte {
	table, notes := t.payloads(), extraPayloads(extra)
	if len(table) > 255 {
		return nil
	}
	distance := 0
	for _, list := range [][][]byte{table, notes} {
		for _, p := range list {
			distance += seekTableFraming + len(p) + seekTableTail
		}
	}
	out := make([]byte, 0, distance)
	for _, p := range table {
		p[2] = byte(len(table))
		out = appendIndexMember(out, seekTableID, p, distance)
	}
	for _, p := range notes {
		out = appendIndexMember(out, extraID, p, distance)
	}
	return out
}

// appendIndexMember appends an empty gzip member that carries a payload, whose tail it adds.
func appendIndexMember(out []byte, id string, p []byte, distance int) []byte {
	out = append(out, indexMemberHeader...)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(p)+seekTableTail+4))
	out = append(out, id...)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(p)+seekTableTail))
	out = append(out, p...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(p))
	out = binary.LittleEndian.AppendUint32(out, uint32(distance))
	out = append(out, seekTableMagic...)
	return append(out, indexMemberEnd...)
}

// payloads splits the table between records into payloads, without their tails and with 0 as the number of parts.
func (t *seekTable) payloads() [][]byte {
	first := []byte{seekTableVersion, 0, 0}
	first = binary.AppendUvarint(first, uint64(len(gzipHeader))+uint64(t.compressed)+uint64(dataMemberEnd))
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

// extraPayloads splits extra into payloads, without their tails.
func extraPayloads(extra []byte) [][]byte {
	const most = maxSeekTablePayload - seekTableTail - extraHead
	if len(extra) > maxExtra {
		return nil
	}
	count := (len(extra) + most - 1) / most
	parts := make([][]byte, 0, count)
	for piece := range slices.Chunk(extra, most) {
		p := []byte{extraVersion}
		p = binary.LittleEndian.AppendUint16(p, uint16(len(parts)))
		p = binary.LittleEndian.AppendUint16(p, uint16(count))
		parts = append(parts, append(p, piece...))
	}
	return parts
}
