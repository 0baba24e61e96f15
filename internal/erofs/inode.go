package erofs

import (
	"context"
	"encoding/binary"
	"math"
	"math/bits"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// The head of an image, in bytes. All numbers of EROFS are little-endian.
const (
	headSize = 4096
	superAt  = 1024 // super block of 128 bytes
	deviceAt = 1152 // device 1
	rootAt   = 2048 // inode of the root: its number must fit 16 bits

	deviceSize   = 128
	deviceBlocks = 64 // in the head of a device: its number of blocks

	inodeUnit = 32 // the number of an inode is its place in this unit
	shortSize = 32
	longSize  = 64

	magic          = 0xE0F5E1E2
	withChunks     = 0x4 // features that a kernel must know
	withDevices    = 0x8
	blockBits      = 9
	fileType       = 1 // in an entry of a directory
	directoryType  = 2
	entrySize      = 12
	chunkSize      = 8          // of the place of a chunk: 2 bytes unused, a device in 2, and a block in 4
	chunksOfPlaces = 0x20       // in the description of chunks: they have such places
	noBlock        = 0xffffffff // as the block of a chunk: a hole
)

// layout says where the content of an inode is.
type layout uint16

const (
	layoutBlocks layout = 0 // in blocks
	layoutInline layout = 2 // right after the inode, within its block
	layoutChunks layout = 4 // in the chunks whose places are after the inode
)

// inode is what an inode of the image says.
type inode struct {
	view.Attr
	layout layout
	where  uint32 // the first block, or a description of chunks
}

// isLong reports whether a short inode cannot hold the attributes exactly.
func (m *Image) isLong(a *view.Attr) bool {
	seconds := a.Mtime.Unix()
	return m.o.Extended || a.Uid > math.MaxUint16 || a.Gid > math.MaxUint16 || a.Size > math.MaxUint32 ||
		seconds < 0 || seconds > math.MaxUint32 || a.Mtime.Nanosecond() != 0
}

// sizeOf returns the bytes of an inode with these attributes.
func (m *Image) sizeOf(a *view.Attr) int {
	if m.isLong(a) {
		return longSize
	}
	return shortSize
}

// put writes an inode to b, which is at a place in the image, and returns what follows it.
func (m *Image) put(b []byte, place int64, n inode) (rest []byte) {
	le := binary.LittleEndian
	format := uint16(n.layout) << 1
	if m.isLong(&n.Attr) {
		le.PutUint16(b, format|1)
		le.PutUint64(b[8:], uint64(n.Size))
		le.PutUint32(b[24:], n.Uid)
		le.PutUint32(b[28:], n.Gid)
		le.PutUint64(b[32:], uint64(n.Mtime.Unix()))
		le.PutUint32(b[40:], uint32(n.Mtime.Nanosecond()))
		le.PutUint32(b[44:], n.Nlink)
		rest = b[longSize:]
	} else {
		le.PutUint16(b, format)
		le.PutUint16(b[6:], uint16(n.Nlink))
		le.PutUint32(b[8:], uint32(n.Size))
		le.PutUint32(b[12:], uint32(n.Mtime.Unix()))
		le.PutUint16(b[24:], uint16(n.Uid))
		le.PutUint16(b[26:], uint16(n.Gid))
		rest = b[shortSize:]
	}
	le.PutUint16(b[4:], uint16(n.Mode))
	le.PutUint32(b[16:], n.where)
	le.PutUint32(b[20:], uint32(place/inodeUnit)) // shown to programs with numbers of 32 bits
	return rest
}

// chunkBits returns the base-2 logarithm of the number of blocks of a chunk that has all of a content: of 2 GiB, or
// more if that is not enough.
func chunkBits(size int64) int { return max(22, bits.Len64(uint64(max(size-1, 0)))-blockBits) }

// putMember writes the inode of a member without holes.
func (m *Image) putMember(b []byte, place int64, row int, a view.Attr) error {
	data, size := m.x.Content(row)
	if size == 0 {
		m.put(b, place, inode{Attr: a})
		return nil
	}
	if size < 0 || data < 0 || data%BlockSize != 0 || data/BlockSize+(size+BlockSize-1)/BlockSize > math.MaxUint32 {
		return m.unsuited("member %d is at byte %d", row, data)
	}
	n := chunkBits(size)
	if n > largestChunk {
		return m.unsuited("member %d has %d bytes", row, size)
	}
	rest := m.put(b, place, inode{Attr: a, layout: layoutChunks, where: chunksOfPlaces | uint32(n)})
	m.putChunk(rest, uint32(data/BlockSize))
	return nil
}

// putChunk writes the place of a chunk.
func (m *Image) putChunk(b []byte, block uint32) {
	binary.LittleEndian.PutUint16(b[2:], uint16(m.in.device))
	binary.LittleEndian.PutUint32(b[4:], block)
}

// head writes the head of the image: the root's inode and, unless the image is a part of one of many shards, the super
// block and the device.
func (m *Image) head(_ context.Context, _ int64, b []byte) error {
	if m.in.begin == 0 {
		putSuper(b[superAt:], super{inodes: m.inodes(), end: m.size, devices: 1, table: deviceAt})
		m.putDevice(b[deviceAt:])
	}
	return m.putDir(b[rootAt:], m.plan(m.list(index.Root), 0))
}

// inodes returns how many files and directories the image shows.
func (m *Image) inodes() int64 {
	return int64(m.x.Dirs() + m.x.Rows() - m.x.Outside() + 2*m.x.Samples())
}

// super is what a super block says.
type super struct {
	inodes  int64
	end     int64 // of the image
	devices int
	table   int64 // place of the heads of devices
}

// putSuper writes a super block.
func putSuper(b []byte, s super) {
	le := binary.LittleEndian
	le.PutUint32(b, magic)
	b[12] = blockBits
	le.PutUint16(b[14:], rootAt/inodeUnit)
	le.PutUint64(b[16:], uint64(s.inodes))
	le.PutUint32(b[36:], uint32(s.end/BlockSize))
	le.PutUint32(b[80:], withChunks|withDevices)
	le.PutUint16(b[86:], uint16(s.devices))
	le.PutUint16(b[88:], uint16(s.table/deviceSize))
}

// putDevice writes the head of the image's device.
func (m *Image) putDevice(b []byte) {
	copy(b[:deviceBlocks], "the shard") // a name for people
	binary.LittleEndian.PutUint32(b[deviceBlocks:], uint32(m.bytesSize()/BlockSize))
}

// attr describes a file or directory as the image does.
func (m *Image) attr(ino view.Ino) view.Attr {
	a := m.v.Attr(ino)
	if ino == view.Root && m.in.root != nil {
		return *m.in.root
	}
	if ino == view.Root {
		a.Mode = unix.S_IFDIR | m.o.Mode&0o7777
	}
	return a
}
