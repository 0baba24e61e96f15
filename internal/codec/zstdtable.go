package codec

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// zstdTable has the offsets and sums of the frames of a shard. It is written after them as two kinds of skippable
// frames, with all numbers little-endian.
//
// Notes are a format of shardfs. Together they have the CRC32 of the plain bytes of each frame, u32 each, followed by
// the bytes given to SetExtra. Each note is
//
//	5d 2a 4d 18 | size u32 | "SFZSTIDX" | part u32 | parts u32 | up to 16 MiB of that | CRC32 of the payload so far
//
// The seek table comes last. It is that of zstd's contrib/seekable_format, without its optional checksums. The notes
// are not listed in it:
//
//	5e 2a 4d 18 | size u32 | for each frame: compressed length u32 | plain length u32
//	number of frames u32 | descriptor u8 | b1 ea 92 8f
type zstdTable struct {
	out, in []int64  // where each frame begins, and finally where the last one ends
	sums    []uint32 // CRC32 of the plain bytes of each frame
}

const (
	zstdTableMagic  = "\x5e\x2a\x4d\x18"
	zstdTableFooter = 4 + 1 + len(zstdTableEnd)
	zstdTableEnd    = "\xb1\xea\x92\x8f"

	zstdNoteMagic = "\x5d\x2a\x4d\x18"
	zstdNoteName  = "SFZSTIDX"
	zstdNoteHead  = len(zstdNoteName) + 4 + 4
	zstdNotePart  = 16 << 20

	zstdSkippable = 8 // magic number and size of a skippable frame
)

const (
	maxZstdFrames = 4 << 20  // most frames in a table, at 24 bytes of memory each; 4 TB written by shardfs
	maxZstdExtra  = 64 << 20 // most extra bytes that are written or read
)

// Len returns the number of frames.
func (t *zstdTable) Len() int { return max(0, len(t.out)-1) }

// Out returns the plain offset of a frame.
func (t *zstdTable) Out(i int) int64 { return t.out[i] }

// At returns the checkpoint at the start of a frame.
func (t *zstdTable) At(i int) Checkpoint {
	c := Checkpoint{Out: t.out[i], In: t.in[i], Member: true}
	c.Sums = t.sums[i:]
	c.Sums = c.Sums[:min(1, t.out[i+1]-t.out[i])] // without plain bytes there is no sum
	return c
}

// add appends a frame whose sum is known.
func (t *zstdTable) add(plain, compressed int, crc uint32) {
	t.addUnknown(int64(plain), int64(compressed))
	t.sums = append(t.sums, crc)
}

// addUnknown appends a frame whose sum is not known.
func (t *zstdTable) addUnknown(plain, compressed int64) {
	if t.out == nil {
		t.out, t.in = []int64{0}, []int64{0}
	}
	n := t.Len()
	t.out = append(t.out, t.out[n]+plain)
	t.in = append(t.in, t.in[n]+compressed)
}

// newMap returns t as a Map.
func (t *zstdTable) newMap() Map {
	return Map{Plain: t.out[t.Len()], Piece: zstdFrameSize, Points: t}
}

// appendNote appends the notes to b.
func (t *zstdTable) appendNote(b, extra []byte) []byte {
	if len(extra) > maxZstdExtra {
		extra = nil
	}
	note := make([]byte, 0, 4*len(t.sums)+len(extra))
	for _, sum := range t.sums {
		note = binary.LittleEndian.AppendUint32(note, sum)
	}
	note = append(note, extra...)
	parts := (len(note) + zstdNotePart - 1) / zstdNotePart // at least one, because there is at least one frame
	for part := range parts {
		data := note[:min(zstdNotePart, len(note))]
		note = note[len(data):]
		b = append(b, zstdNoteMagic...)
		b = binary.LittleEndian.AppendUint32(b, uint32(zstdNoteHead+len(data)+4))
		payload := len(b)
		b = append(b, zstdNoteName...)
		b = binary.LittleEndian.AppendUint32(b, uint32(part))
		b = binary.LittleEndian.AppendUint32(b, uint32(parts))
		b = append(b, data...)
		b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[payload:]))
	}
	return b
}

// append appends the seek table to b.
func (t *zstdTable) append(b []byte) []byte {
	b = append(b, zstdTableMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(t.Len()*8+zstdTableFooter))
	for i := range t.Len() {
		b = binary.LittleEndian.AppendUint32(b, uint32(t.in[i+1]-t.in[i]))
		b = binary.LittleEndian.AppendUint32(b, uint32(t.out[i+1]-t.out[i]))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(t.Len()))
	b = append(b, 0)
	return append(b, zstdTableEnd...)
}

var (
	errNoZstdTable = errors.New("no seek table")
	errZstdTable   = errors.New("the seek table does not fit the file")
)

// readZstdTable reads the seek table at the end of a shard, and the notes before it. The lengths in it must fit the
// shard. A table without notes is not used: other tools write those.
func readZstdTable(r io.ReaderAt, size int64) (t *zstdTable, extra []byte, err error) {
	var footer [zstdTableFooter]byte
	if err := readAt(r, footer[:], size-int64(len(footer))); err != nil {
		return nil, nil, err
	}
	count, descriptor := int64(binary.LittleEndian.Uint32(footer[:])), footer[4]
	if string(footer[5:]) != zstdTableEnd || descriptor&0x7c != 0 || count == 0 || count > maxZstdFrames {
		return nil, nil, errNoZstdTable
	}
	entry := int64(8)
	if descriptor&0x80 != 0 {
		entry = 12 // with a checksum by XXH64, which is not used
	}
	length := count*entry + int64(len(footer))
	start := size - length - zstdSkippable
	var head [zstdSkippable]byte
	if err := readAt(r, head[:], start); err != nil {
		return nil, nil, err
	}
	if string(head[:4]) != zstdTableMagic || int64(binary.LittleEndian.Uint32(head[4:])) != length {
		return nil, nil, errZstdTable
	}

	t = &zstdTable{out: make([]int64, 1, count+1), in: make([]int64, 1, count+1)}
	br := bufio.NewReaderSize(io.NewSectionReader(r, start+zstdSkippable, length), inputBuffer)
	for range count {
		var e [12]byte
		if _, err := io.ReadFull(br, e[:entry]); err != nil {
			return nil, nil, err
		}
		t.addUnknown(int64(binary.LittleEndian.Uint32(e[4:])), int64(binary.LittleEndian.Uint32(e[:])))
		if t.in[t.Len()] > start {
			return nil, nil, errZstdTable
		}
	}

	note, err := readZstdNotes(r, t.in[t.Len()], start)
	if err != nil {
		return nil, nil, err
	}
	if !t.setSums(note) {
		return nil, nil, errNoZstdTable
	}
	return t, note[4*t.Len():], nil
}

// setSums sets the sums from the note, and reports whether they fit t.
func (t *zstdTable) setSums(note []byte) bool {
	n := t.Len()
	if len(note) < 4*n {
		return false
	}
	sums := make([]uint32, n)
	for i := range sums {
		if t.out[i+1]-t.out[i] > zstdFrameSize {
			return false
		}
		sums[i] = binary.LittleEndian.Uint32(note[4*i:])
	}
	t.sums = sums
	return true
}

// readZstdNotes returns the contents of the notes between two offsets, or nil if they are incomplete. Other skippable
// frames may be between them, but nothing else.
func readZstdNotes(r io.ReaderAt, off, end int64) (note []byte, err error) {
	readable := end-off <= 4*maxZstdFrames+maxZstdExtra+zstdNotePart // the most that is read into memory
	next, parts := uint32(0), uint32(0)
	for off < end {
		var buf [zstdSkippable + zstdNoteHead]byte
		head := buf[:min(int64(len(buf)), end-off)]
		if err := readAt(r, head, off); err != nil {
			return nil, err
		}
		h, err := parseZstdHeader(head)
		if err != nil || !h.Skippable || off+zstdSkippable+int64(h.SkippableSize) > end {
			return nil, errZstdTable
		}
		size := int(h.SkippableSize)
		if part, of, ok := zstdNote(head, size); readable && ok && part == next && (part == 0 || of == parts) {
			if note == nil {
				note = make([]byte, 0, end-off)
			}
			payload := note[len(note) : len(note)+size]
			if err := readAt(r, payload, off+zstdSkippable); err != nil {
				return nil, err
			}
			if crc32.ChecksumIEEE(payload[:size-4]) == binary.LittleEndian.Uint32(payload[size-4:]) {
				note = append(note, payload[zstdNoteHead:size-4]...)
				next, parts = next+1, of
			}
		}
		off += zstdSkippable + int64(size)
	}
	if next == 0 || next != parts {
		return nil, nil
	}
	return note, nil
}

// zstdNote reports whether a skippable frame of size bytes that begins with head is a note, and its number.
func zstdNote(head []byte, size int) (part, parts uint32, ok bool) {
	if len(head) < zstdSkippable+zstdNoteHead || size < zstdNoteHead+4 || string(head[:4]) != zstdNoteMagic {
		return 0, 0, false
	}
	name, numbers := head[zstdSkippable:][:len(zstdNoteName)], head[zstdSkippable+len(zstdNoteName):]
	return binary.LittleEndian.Uint32(numbers), binary.LittleEndian.Uint32(numbers[4:]), string(name) == zstdNoteName
}

// readAt fills p with the bytes at off. Fewer bytes are an error.
func readAt(r io.ReaderAt, p []byte, off int64) error {
	if off < 0 {
		return io.ErrUnexpectedEOF
	}
	_, err := io.ReadFull(io.NewSectionReader(r, off, int64(len(p))), p)
	return err
}
