// Package erofs shows a shard by the kernel's file system EROFS, which then needs no process to look up names and, with
// a plain shard, none to read files.
//
// EROFS is a read-only file system in an image. An [Image] is computed from the index as it is read: nothing of it is
// stored. It has the names and attributes of a view and no content: each file says where its bytes are in a second
// device, the plain bytes of the shard, because in a tar the content of a member starts at a multiple of [BlockSize].
// That device is the shard itself, if it is a plain tar, or a file that serves [Bytes].
//
// An image can also show many shards, a [Many] of images, each of which has a directory and a device of its own.
//
// [Mount] mounts an image. Names, attributes and contents are those of the view, except that directories are listed in
// the order of the bytes of their names, have a size, and that sparse files have other block counts.
package erofs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/lru"
	"github.com/shardfs/shardfs/internal/view"
)

// BlockSize is the size of a block of EROFS in bytes, here as in a tar.
const BlockSize = 512

// ErrUnsuited means that EROFS cannot show a shard, or one of its files.
var ErrUnsuited = errors.New("not suited to EROFS")

// Options configures New. The zero value is for mounts of one user on Linux 6.15 and later.
type Options struct {
	Mode     uint32 // permissions of the root; 0 means 0700
	Extended bool   // only long inodes; see ReadsShortTimes

	// Verify compares the headers of a sample's members with the index before the sample is shown, because their
	// content will be read without Bytes. An index that was built by this process is not compared.
	Verify bool
}

// Image is an EROFS image of the names of a shard. It is safe for concurrent use, and keeps nothing for a sample.
type Image struct {
	v     *view.View
	x     *index.Index
	o     Options
	in    whole
	order index.Order

	areas []area // in the order of their places
	size  int64  // where the last of them ends
	at    places
	slot  int64 // bytes of a slot
	few   int64 // entries for which each directory with subdirectories has room
	keyed int64 // bytes between files with keys that are not in slots

	sparse    []sparseFile // the members with holes, in order
	sparseEnd int64        // where the last of them ends in Bytes

	cache    cachedFile   // of the shard, if the kernel itself reads that; else nil
	lastRead atomic.Int64 // where Bytes was read last; -1: nowhere

	listing sync.Mutex // held while a large directory is listed; guards large
	large   *lru.Cache[index.Dir, *listing]

	mu    sync.Mutex          // guards the fields below
	many  []many              // directories with many entries, as they were met
	found map[index.Dir]int64 // blocks where their entries begin
	used  int64               // blocks of their area
}

// whole says what an image is a part of. All its places are those in the whole.
type whole struct {
	begin  int64      // place of the image
	device int        // number of the device with the bytes of its shard
	above  int64      // place of the inode of the directory above its root
	root   *view.Attr // of its root; nil: those of the view
	images int64      // how many there are, of about the same size
}

// places are offsets of the areas of an image. All are multiples of 4096.
type places struct {
	head    int64
	source  int64 // text of all files __source__
	slots   int64 // a slot for each directory
	members int64 // an inode for each row of the index
	entries int64 // entries of samples without subdirectories
	few     int64 // entries of directories with subdirectories
	many    int64 // entries of those that have more of them
	keys    int64 // a sample's inodes of __key__ and __source__, and the key
	sparse  int64 // an inode for each member with holes
}

// area is a part of an image that consists of equal units.
type area struct {
	at, unit, units int64
	fill            func(ctx context.Context, i int64, unit []byte) error // writes unit i into zeros
}

// Budgets and limits of an image.
const (
	maxImage     = BlockSize << 32 // bytes that EROFS can address
	listingBytes = 8 << 20         // of the listings of large directories that are kept
	fewBytes     = maxImage / 4    // of the area of directories with subdirectories
	fewEntries   = 1024            // most entries for which each of them has room
	keyBytes     = maxImage / 4    // of the area of keys
	longestKey   = 1 << 20         // names in a tar are at most as long
	memberUnit   = 96              // a long inode, and the place of the content
	moreEntries  = 4               // of a sample: ".", "..", __key__ and __source__
)

// New returns the image of a view, whose index must be whole. It reads little: the image is computed by ReadAt. The
// error is ErrUnsuited.
func New(v *view.View, o Options) (*Image, error) {
	return newImage(v, o, whole{device: 1, above: rootAt, images: 1})
}

func newImage(v *view.View, o Options, in whole) (*Image, error) {
	x := v.Shard.Index
	if o.Mode == 0 {
		o.Mode = 0o700
	}
	m := &Image{v: v, x: x, o: o, in: in, order: x.Order(), size: in.begin, found: make(map[index.Dir]int64)}
	m.lastRead.Store(-1)
	m.large = lru.New[index.Dir](listingBytes, (*listing).cost, nil)
	if err := m.placeSparse(); err != nil {
		return nil, err
	}
	dirs, rows, samples := int64(x.Dirs()), int64(x.Rows()), int64(x.Samples())
	m.few = min(max(fewBytes/in.images/BlockSize/dirs, 1), fewEntries)
	m.slot = m.chooseSlot()
	m.keyed = min(max(keyBytes/in.images/max(samples, 1), 4096), longestKey+BlockSize) / BlockSize * BlockSize
	withSubdirs := dirs
	if m.order.Flat {
		withSubdirs = 0
	}
	m.add(&m.at.head, headSize, 1, m.head)
	m.add(&m.at.source, roundUp(int64(len(v.Shard.Name))+1, BlockSize), 1, m.sourceText)
	m.add(&m.at.slots, m.slot, dirs, m.fillSlot)
	m.add(&m.at.members, BlockSize, rows/membersInBlock+1, m.memberBlock)
	m.add(&m.at.entries, BlockSize, rows+moreEntries*samples, m.sampleBlock)
	m.add(&m.at.few, BlockSize, m.few*withSubdirs, m.fewBlock)
	m.add(&m.at.many, BlockSize, rows+moreEntries*samples+3*dirs, m.manyBlock)
	m.add(&m.at.keys, BlockSize, m.keyed/BlockSize*samples, m.keyBlock)
	m.add(&m.at.sparse, sparseUnit, int64(len(m.sparse)), m.sparseInode)
	if m.size > maxImage { // its blocks have numbers of 32 bits
		return nil, fmt.Errorf("%s: %w: too many members", v.Shard.Name, ErrUnsuited)
	}
	return m, v.Err()
}

// add adds an area to the end of the image, and sets at to its place.
func (m *Image) add(at *int64, unit, units int64, fill func(ctx context.Context, i int64, unit []byte) error) {
	place := m.size
	*at = place
	m.areas = append(m.areas, area{place, unit, units, fill})
	m.size = roundUp(place+unit*units, 4096)
}

// roundUp returns the least multiple of a power of two that is not less than n.
func roundUp(n, multiple int64) int64 { return (n + multiple - 1) &^ (multiple - 1) }

// Order describes the names in the image. Listings are in tar order if they ascend.
func (m *Image) Order() index.Order { return m.order }

// Size returns the size of the image in bytes, or where it ends in that of many shards. It is far more than the image takes anywhere: most of it is zeros.
func (m *Image) Size() int64 { return m.size }

// ReadAt reads the image. It computes only what is asked for. The error is io.EOF at the end, view.ErrShard or
// ErrUnsuited.
func (m *Image) ReadAt(p []byte, off int64) (n int, err error) {
	return m.readAt(context.Background(), p, off)
}

func (m *Image) readAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("offset %d: %w", off, ErrUnsuited)
	}
	if rest := max(m.size-off, 0); int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	clear(p)
	if m.cache != nil {
		m.readHeaders(off, off+int64(len(p)))
	}
	var scratch []byte
	i := sort.Search(len(m.areas), func(i int) bool { return m.areas[i].at > off }) - 1
	for at, end := off, off+int64(len(p)); at < end && i < len(m.areas); i++ {
		a := &m.areas[i]
		next := end
		if i+1 < len(m.areas) {
			next = min(end, m.areas[i+1].at)
		}
		for u := (at - a.at) / a.unit; u < a.units && a.at+u*a.unit < next; u++ {
			if err := m.readUnit(ctx, a, u, p, off, &scratch); err != nil {
				return 0, err
			}
		}
		at = next
	}
	if bad := m.v.Err(); bad != nil {
		return 0, bad
	}
	return len(p), err
}

// readUnit copies that part of a unit into p which is at off and after in the image.
func (m *Image) readUnit(ctx context.Context, a *area, u int64, p []byte, off int64, scratch *[]byte) error {
	start := a.at + u*a.unit - off
	if start >= 0 && start+a.unit <= int64(len(p)) {
		return a.fill(ctx, u, p[start:start+a.unit])
	}
	if int64(cap(*scratch)) < a.unit {
		*scratch = make([]byte, a.unit)
	}
	unit := (*scratch)[:a.unit]
	clear(unit)
	if err := a.fill(ctx, u, unit); err != nil {
		return err
	}
	if start < 0 {
		copy(p, unit[-start:])
	} else {
		copy(p[start:], unit)
	}
	return nil
}
