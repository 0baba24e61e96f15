package ahead

import (
	"encoding/binary"
	"errors"
	"math"

	"golang.org/x/sys/unix"
)

// ErrNoRoom means that a disk keeps nothing for now, or not so much.
var ErrNoRoom = errors.New("no room in the cache")

// Made are bytes on a disk that were not fetched but made from others, such as decoded ones. They count once all of them
// are there, so that none is used before what made them has come to its end. Their blocks are those of an object; once
// they are whole, so is a second one, of 8 bytes: their number, little endian. A Made is safe for concurrent use.
type Made struct {
	d             *Disk
	digest, whole string
}

// Made returns the bytes that a key names: nothing else may have that key. What of them is on the disk may have been
// written by any process.
func (d *Disk) Made(key string) *Made {
	return &Made{d, digestOf(key+"\x00made", 0), digestOf(key+"\x00whole", 0)}
}

// Fits reports whether a disk would keep size bytes of one Made: files have heads, and are removed when they have fifteen
// sixteenths of the limit.
func (d *Disk) Fits(size int64) bool { return size <= d.limit-d.limit/8 }

// Size returns the number of the bytes; false unless they were whole.
func (m *Made) Size() (size int64, ok bool) {
	var b [8]byte
	if !m.d.read(m.whole, b[:], 0, int64(len(b)))[0] {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(b[:])), true
}

// Read reads len(p) of size bytes at off. It returns false unless all of them are there and have the right checksums.
func (m *Made) Read(p []byte, off, size int64) bool {
	if len(p) == 0 {
		return true
	}
	from := off / granule * granule
	to := min((off+int64(len(p))+granule-1)/granule*granule, size)
	b := make([]byte, to-from)
	for _, there := range m.d.read(m.digest, b, from, size) {
		if !there {
			return false
		}
	}
	copy(p, b[off-from:])
	return true
}

// Piece is how many bytes are best written at a time.
const Piece = block

// Write keeps a piece at off, a multiple of Piece; the last one, which ends at size, may be shorter. The error is
// ErrNoRoom if the disk would not keep so many, or has failed a short time ago.
func (m *Made) Write(p []byte, off, size int64) error {
	if !m.d.Fits(off + int64(len(p))) {
		return ErrNoRoom
	}
	return m.d.put(m.digest, p, off, size, math.MaxInt)
}

// Finish makes the bytes count, when all size of them were written.
func (m *Made) Finish(size int64) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(size))
	return m.d.put(m.whole, b, 0, int64(len(b)), math.MaxInt)
}

// Unfinish undoes Finish.
func (m *Made) Unfinish() { unix.Unlinkat(int(m.d.dir.Fd()), blockName(m.whole, 0), 0) }

// Remove removes the first size bytes, unless Finish was called meanwhile.
func (m *Made) Remove(size int64) {
	if _, ok := m.Size(); ok {
		return
	}
	for off := int64(0); off < size; off += block {
		unix.Unlinkat(int(m.d.dir.Fd()), blockName(m.digest, off), 0)
	}
}
