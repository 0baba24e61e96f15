package index

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"unsafe"

	"github.com/shardfs/shardfs/internal/codec"
)

// ErrStale says that an index file is not one of this version or is damaged. The answer is always to index again.
var ErrStale = errors.New("unusable index file")

// Origin tells from which bytes an index was built. Two equal origins of local files are the same unchanged file.
type Origin struct {
	Size    int64  `json:"size"`  // of the shard as it is stored
	ModTime int64  `json:"mtime"` // nanoseconds since 1970
	Inode   uint64 `json:"inode"`
}

// Saved is an index and what else is needed to read its shard, as they are kept in an index file.
type Saved struct {
	Origin      Origin
	Format      codec.Format
	Plain       int64              // bytes of the plain shard
	Trailing    int64              // bytes behind the compressed data that are not part of it
	Cut         string             // why the index holds only the samples before some place; "" where it is whole
	Checkpoints []codec.Checkpoint `json:"-"`
	Index       *Index             `json:"-"`
}

// An index file is a head, a table of the sections' offsets and lengths, the sections, each aligned to 8 bytes, and the
// CRC-32C of all that. Numbers are in the byte order of the machine: an index file is not carried to another kind.
const (
	fileMagic   = "shardfs index 1\n"
	headSize    = len(fileMagic) + 16
	sectionSize = 16
	orderMark   = 0x0102030405060708
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// section is one slice of numbers or bytes, as bytes.
type section struct {
	bytes func() []byte
	set   func([]byte) error
}

// sectionOf makes a section of a slice, whose bytes it shares both ways.
func sectionOf[T uint8 | uint16 | uint32 | uint64 | int64](s *[]T) section {
	size := int(unsafe.Sizeof(*new(T)))
	return section{
		bytes: func() []byte {
			return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(*s))), len(*s)*size)
		},
		set: func(b []byte) error {
			if len(b)%size != 0 {
				return ErrStale
			}
			*s = unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/size)
			return nil
		},
	}
}

// checkpoints are the checkpoints of a Saved as columns.
type checkpoints struct {
	out, in   []int64
	bit       []uint8 // highest bit: a member starts here
	windowEnd []uint64
	windows   []byte
}

const memberBit = 0x80

// sections returns the sections of an index file in their order there.
func sections(meta *[]byte, p *checkpoints, c *columns) []section {
	return []section{
		sectionOf(meta),
		sectionOf(&p.out), sectionOf(&p.in), sectionOf(&p.bit), sectionOf(&p.windowEnd), sectionOf(&p.windows),
		sectionOf(&c.header), sectionOf(&c.size), sectionOf(&c.mtime), sectionOf(&c.blocks), sectionOf(&c.mode),
		sectionOf(&c.ext), sectionOf(&c.extEnd), sectionOf(&c.extText),
		sectionOf(&c.first), sectionOf(&c.dir),
		sectionOf(&c.parent), sectionOf(&c.nameEnd), sectionOf(&c.names), sectionOf(&c.sample), sectionOf(&c.child),
		sectionOf(&c.sibling), sectionOf(&c.table),
		sectionOf(&c.otherRow), sectionOf(&c.otherEnd), sectionOf(&c.otherText),
		sectionOf(&c.keyRow), sectionOf(&c.keyEnd), sectionOf(&c.keyText),
		sectionOf(&c.againRow), sectionOf(&c.againNth),
	}
}

// Write writes the index file.
func (f *Saved) Write(w io.Writer) error {
	meta, err := json.Marshal(f)
	if err != nil {
		return err
	}
	var p checkpoints
	for _, cp := range f.Checkpoints {
		bit := cp.Bit
		if cp.Member {
			bit |= memberBit
		}
		p.out, p.in, p.bit = append(p.out, cp.Out), append(p.in, cp.In), append(p.bit, bit)
		p.windows = append(p.windows, cp.Window...)
		p.windowEnd = append(p.windowEnd, uint64(len(p.windows)))
	}
	list := sections(&meta, &p, &f.Index.c)

	table := []byte(fileMagic)
	table = binary.NativeEndian.AppendUint64(table, orderMark)
	table = binary.NativeEndian.AppendUint64(table, uint64(len(list)))
	offset := headSize + len(list)*sectionSize
	for _, s := range list {
		table = binary.NativeEndian.AppendUint64(table, uint64(offset))
		table = binary.NativeEndian.AppendUint64(table, uint64(len(s.bytes())))
		offset += align(len(s.bytes()))
	}
	sum := crc32.New(castagnoli)
	out := io.MultiWriter(w, sum)
	if _, err := out.Write(table); err != nil {
		return err
	}
	for _, s := range list {
		b := s.bytes()
		if _, err := out.Write(b); err != nil {
			return err
		}
		if _, err := out.Write(make([]byte, align(len(b))-len(b))); err != nil {
			return err
		}
	}
	_, err = w.Write(binary.NativeEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

// align returns n rounded up to a multiple of 8.
func align(n int) int {
	return (n + 7) &^ 7
}

// Decode returns the index file that b holds. The result shares memory with b, which must start at a multiple of 8, as
// mapped and allocated memory does, and must not change.
func Decode(b []byte) (*Saved, error) {
	if len(b) < headSize+4 || string(b[:len(fileMagic)]) != fileMagic {
		return nil, fmt.Errorf("%w: not an index of this version", ErrStale)
	}
	body, sum := b[:len(b)-4], binary.NativeEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: wrong checksum", ErrStale)
	}
	var meta []byte
	var p checkpoints
	f := &Saved{Index: &Index{}}
	list := sections(&meta, &p, &f.Index.c)
	if binary.NativeEndian.Uint64(b[len(fileMagic):]) != orderMark ||
		binary.NativeEndian.Uint64(b[len(fileMagic)+8:]) != uint64(len(list)) || len(body) < headSize+len(list)*sectionSize {
		return nil, fmt.Errorf("%w: not an index of this machine and version", ErrStale)
	}
	for i, s := range list {
		row := body[headSize+i*sectionSize:]
		offset, length := binary.NativeEndian.Uint64(row), binary.NativeEndian.Uint64(row[8:])
		if offset%8 != 0 || offset > uint64(len(body)) || length > uint64(len(body))-offset {
			return nil, fmt.Errorf("%w: section %d lies outside the file", ErrStale, i)
		}
		if err := s.set(body[offset : offset+length]); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(meta, f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	if !p.consistent() || !f.Index.c.consistent() {
		return nil, fmt.Errorf("%w: its sections contradict one another", ErrStale)
	}
	for i := range p.out {
		cp := codec.Checkpoint{Out: p.out[i], In: p.in[i], Bit: p.bit[i] &^ memberBit, Member: p.bit[i]&memberBit != 0}
		if start := p.windowStart(i); start < p.windowEnd[i] {
			cp.Window = p.windows[start:p.windowEnd[i]]
		}
		f.Checkpoints = append(f.Checkpoints, cp)
	}
	return f, nil
}

// consistent is [columns.consistent] for checkpoints.
func (p *checkpoints) consistent() bool {
	n := len(p.out)
	return len(p.in) == n && len(p.bit) == n && len(p.windowEnd) == n && slices.IsSorted(p.windowEnd) &&
		(n == 0 || p.windowEnd[n-1] <= uint64(len(p.windows)))
}

func (p *checkpoints) windowStart(i int) uint64 {
	if i == 0 {
		return 0
	}
	return p.windowEnd[i-1]
}
