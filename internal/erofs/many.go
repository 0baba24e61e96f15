package erofs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// MostShards is the most shards that an image can show: so many devices it can have.
const MostShards = 1<<16 - 2

// Part is one of many shards that an image shows.
type Part struct {
	Name string     // of its directory
	Root view.Attr  // of its directory
	View *view.View // its index must be whole

	// Verify is as in Options.
	Verify bool
}

// Many is an EROFS image of many shards, each with a directory at the root. The n-th of them has device n+1. It is safe
// for concurrent use, and an error of one shard is not one of the others.
type Many struct {
	head  []byte   // of the whole: super block, devices, and the root with its entries
	parts []*Image // in the order of their places
	size  int64
}

// NewMany returns the image of many shards in a root with these attributes; of the options Verify is ignored. It reads
// little. The error is ErrUnsuited.
func NewMany(top view.Attr, parts []Part, o Options) (*Many, error) {
	if len(parts) == 0 || len(parts) > MostShards {
		return nil, fmt.Errorf("%d shards: %w", len(parts), ErrUnsuited)
	}
	l := listTop(parts)
	entries := roundUp(headSize+int64(len(parts))*deviceSize, BlockSize)
	m := &Many{size: roundUp(entries+l.blocks()*BlockSize, 4096)}
	m.head = make([]byte, m.size)
	places := make(map[string]int64, len(parts)) // of the inodes of their directories
	inodes := int64(1)
	for i, p := range parts {
		of := Options{Extended: o.Extended, Verify: p.Verify}
		p.Root.Size = 0
		in := whole{begin: m.size, device: i + 1, above: rootAt, root: &p.Root, images: int64(len(parts))}
		image, err := newImage(p.View, of, in)
		if err != nil {
			return nil, err
		}
		m.parts = append(m.parts, image)
		m.size = image.size
		places[p.Name] = image.dirAt(index.Root)
		inodes += image.inodes()
		image.putDevice(m.head[headSize+i*deviceSize:])
	}
	putSuper(m.head[superAt:], super{inodes: inodes, end: m.size, devices: len(parts), table: headSize})
	return m, m.putTop(top, l, places, o)
}

// putTop writes the root and its entries, which are in blocks after the heads of the devices.
func (m *Many) putTop(top view.Attr, l *listing, places map[string]int64, o Options) error {
	if top.Mode = unix.S_IFDIR | o.Mode&0o7777; o.Mode == 0 {
		top.Mode = unix.S_IFDIR | 0o700
	}
	top.Size = l.blocks() * BlockSize
	at := roundUp(headSize+int64(len(m.parts))*deviceSize, BlockSize)
	image := m.parts[0]
	image.put(m.head[rootAt:], rootAt, inode{Attr: top, layout: layoutBlocks, where: uint32(at / BlockSize)})
	inodes := make([]int64, len(l.own))
	for i, e := range l.own {
		inodes[i] = rootAt
		if place, ok := places[e.name]; ok {
			inodes[i] = place
		}
	}
	for k := range l.blocks() {
		from := int(k) * l.perBlock()
		to := min(from+l.perBlock(), len(l.own))
		if err := image.putEntries(m.head[at+k*BlockSize:][:BlockSize], l, inodes, from, to); err != nil {
			return err
		}
	}
	return nil
}

// Images returns the images of the shards.
func (m *Many) Images() []*Image { return m.parts }

// Size returns the size of the image in bytes, most of which are zeros.
func (m *Many) Size() int64 { return m.size }

// Names returns the image as a file to serve, together with the Bytes of all Images.
func (m *Many) Names() *Names { return newNames(m) }

// part returns the number of the part that a place is in; -1 for the head.
func (m *Many) part(off int64) int {
	return sort.Search(len(m.parts), func(i int) bool { return m.parts[i].in.begin > off }) - 1
}

func (m *Many) readAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	for n < len(p) && off+int64(n) < m.size {
		at, rest := off+int64(n), p[n:]
		i := m.part(at)
		if i < 0 {
			n += copy(rest, m.head[at:])
			continue
		}
		k, err := m.parts[i].readAt(ctx, rest[:min(int64(len(rest)), m.parts[i].size-at)], at)
		n += k
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *Many) areaEnd(off int64) int64 {
	if i := m.part(off); i >= 0 {
		return m.parts[i].areaEnd(off)
	}
	return int64(len(m.head))
}

func (m *Many) imageAt(off int64) *Image {
	if i := m.part(off); i >= 0 {
		return m.parts[i]
	}
	return nil
}

func (m *Many) storeSmall(from, to int64, store func(file int, p []byte, off int64) error) {
	if i := m.part(from); i >= 0 {
		m.parts[i].storeSmall(from, to, store)
	}
}

func (m *Many) dropPages() {
	for _, p := range m.parts {
		p.dropPages()
	}
}

// listTop returns the listing of the root of many shards. As no index has them, all entries are its own.
func listTop(parts []Part) *listing {
	l := &listing{own: []entry{{".", view.Root}, {"..", view.Root}}}
	for _, p := range parts {
		l.own = append(l.own, entry{p.Name, view.Root})
	}
	slices.SortFunc(l.own, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for i, e := range l.own {
		l.longest = max(l.longest, len(e.name))
		l.places = append(l.places, i)
	}
	return l
}
