package codec

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

var errSeekTable = errors.New("no seek table")

// beginsOwnGzip implements row.own for Gzip.
func beginsOwnGzip(head []byte) bool { return bytes.HasPrefix(head, []byte(gzipHeader)) }

// readSeekTable implements row.readMap for Gzip: it makes the map of a shard of gzipWriter from its seek table. extra is
// nil unless all of it can be read.
//
// The table must describe the whole file. A file that was cut, appended to or concatenated from several is detected by
// the distance in its last bytes, the lengths in the table and the trailer of the data member. It is still valid gzip,
// but needs a pass.
func readSeekTable(r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) {
	const end = seekTableTail + len(indexMemberEnd)
	tail := make([]byte, end)
	if size < int64(end) || readAt(r, tail, size-int64(end)) != nil {
		return Map{}, nil, false
	}
	if !bytes.HasSuffix(tail, []byte(seekTableMagic+indexMemberEnd)) {
		return Map{}, nil, false
	}
	distance := int64(binary.LittleEndian.Uint32(tail[4:]))
	data := size - distance // length of the data member
	if data < int64(len(gzipHeader)+dataMemberEnd) {
		return Map{}, nil, false
	}
	members := indexMembers{bufio.NewReaderSize(io.NewSectionReader(r, data, distance), 64<<10), uint32(distance)}
	points, err := members.table(data)
	if err != nil || !isDataMember(r, data, points.plain) {
		return Map{}, nil, false
	}
	if extra, err = members.extra(); err != nil {
		extra = nil
	}
	return points.newMap(), extra, true
}

// isDataMember reports whether a gzip member of gzipWriter with these compressed and plain sizes ends there.
func isDataMember(r io.ReaderAt, size, plain int64) bool {
	end := make([]byte, dataMemberEnd)
	if readAt(r, end, size-int64(len(end))) != nil || !bytes.HasPrefix(end, []byte(deflateEnd)) {
		return false
	}
	return binary.LittleEndian.Uint32(end[len(end)-4:]) == uint32(plain)
}

// indexMembers reads the gzip members after the data member.
type indexMembers struct {
	r        *bufio.Reader
	distance uint32 // the distance that each must contain
}

// next returns the payload of the next member, without its tail. It returns io.EOF after the last one.
func (x indexMembers) next(id string) ([]byte, error) {
	head := make([]byte, len(indexMemberHeader)+6)
	if _, err := io.ReadFull(x.r, head); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	fields := head[len(indexMemberHeader):]
	n := int(le.Uint16(fields[4:]))
	if !bytes.HasPrefix(head, []byte(indexMemberHeader)) || string(fields[2:4]) != id ||
		int(le.Uint16(fields)) != n+4 || n < seekTableTail {
		return nil, errSeekTable
	}
	body := make([]byte, n+len(indexMemberEnd))
	if _, err := io.ReadFull(x.r, body); err != nil {
		return nil, err
	}
	p, tail := body[:n-seekTableTail], body[n-seekTableTail:]
	if le.Uint32(tail) != crc32.ChecksumIEEE(p) || le.Uint32(tail[4:]) != x.distance ||
		string(tail[8:]) != seekTableMagic+indexMemberEnd {
		return nil, errSeekTable
	}
	return p, nil
}

// table reads the seek table of a data member of data bytes.
func (x indexMembers) table(data int64) (*segmentPoints, error) {
	var records []byte
	for part, parts := 0, 1; part < parts; part++ {
		p, err := x.next(seekTableID)
		if err != nil {
			return nil, err
		}
		if len(p) < 3 || p[0] != seekTableVersion || int(p[1]) != part || part > 0 && int(p[2]) != parts {
			return nil, errSeekTable
		}
		parts = int(p[2])
		records = append(records, p[3:]...)
	}
	bad := false
	number := func(most int64) int64 {
		v, n := binary.Uvarint(records)
		if n <= 0 || v > uint64(most) {
			bad = true
			return 0
		}
		records = records[n:]
		return int64(v)
	}
	length, plain, count := number(1<<62), number(1<<62), number(1<<40)
	in := int64(len(gzipHeader))
	points := new(segmentPoints)
	for range count {
		segment, compressed := number(maxPiece), number(data)
		if bad || segment == 0 || len(records) < 4 {
			return nil, errSeekTable
		}
		points.add(in, segment, binary.LittleEndian.Uint32(records))
		records = records[4:]
		in += compressed
	}
	if bad || len(records) > 0 || length != data || in+int64(dataMemberEnd) != data || points.plain != plain {
		return nil, errSeekTable
	}
	return points, nil
}

// extra reads the extra bytes after the seek table.
func (x indexMembers) extra() ([]byte, error) {
	var extra []byte
	for part, parts := 0, 1; part < parts; part++ {
		p, err := x.next(extraID)
		if err != nil {
			return nil, err
		}
		le := binary.LittleEndian
		if len(p) < extraHead || p[0] != extraVersion || int(le.Uint16(p[1:])) != part ||
			part > 0 && int(le.Uint16(p[3:])) != parts {
			return nil, errSeekTable
		}
		parts = int(le.Uint16(p[3:]))
		if extra = append(extra, p[extraHead:]...); len(extra) > maxExtra {
			return nil, errSeekTable
		}
	}
	if _, err := x.r.Peek(1); err != io.EOF {
		return nil, errSeekTable
	}
	return extra, nil
}
