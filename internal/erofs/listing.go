package erofs

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// listing has the entries of a directory in the order of the bytes of their names, in which the kernel searches them:
// its own entries, each at its place, and between them its subdirectories.
type listing struct {
	dir    index.Dir
	sample int     // its number; -1 if the directory shows none
	own    []entry // ".", ".." and the files of its sample
	places []int   // of each of own among all entries

	// The subdirectories: rows of the index from first on, if kids is nil, else kids.
	subdirs int
	first   index.Dir
	kids    []index.Dir

	longest int // bytes of the longest name, or more
	size    int // bytes of all entries, if they are few
}

// entry is an entry of a directory.
type entry struct {
	name string
	ino  view.Ino
}

// manyEntries is from how many entries on a listing is kept, and size is not known.
const manyEntries = 64

func (l *listing) entries() int { return len(l.own) + l.subdirs }

// perBlock returns how many entries a block of a directory has that is not inline. The last one may have fewer.
func (l *listing) perBlock() int { return max(BlockSize/(entrySize+max(l.longest, len(".."))), 1) }

func (l *listing) blocks() int64 { return int64((l.entries() + l.perBlock() - 1) / l.perBlock()) }

// isSmall reports whether the entries are few, so that size is known.
func (l *listing) isSmall() bool { return l.entries() < manyEntries }

// cost estimates the bytes of memory that a listing takes.
func (l *listing) cost() int64 { return 256 + 64*int64(len(l.own)) + 4*int64(len(l.kids)) }

// list returns the listing of a directory. Those of large directories are kept for a while.
func (m *Image) list(d index.Dir) *listing {
	if m.isSmallDir(d) {
		return m.newListing(d)
	}
	m.listing.Lock() // one at a time: they take long and much memory
	defer m.listing.Unlock()
	if l, ok := m.large.Get(d); ok {
		return l
	}
	l := m.newListing(d)
	m.large.Add(d, l)
	return l
}

// isSmallDir reports whether a directory has few entries.
func (m *Image) isSmallDir(d index.Dir) bool {
	n := 4
	if number, ok := m.x.SampleIn(d); ok {
		start, end := m.x.SampleRows(number)
		n += end - start
	}
	if m.order.Flat {
		return n < manyEntries && (d != index.Root || m.x.Dirs() < manyEntries-n)
	}
	for kid, ok := m.x.FirstChild(d); ok && n < manyEntries; kid, ok = m.x.Sibling(kid) {
		n++
	}
	return n < manyEntries
}

func (m *Image) newListing(d index.Dir) *listing {
	x := m.x
	l := &listing{dir: d, sample: -1}
	parent := index.Root
	if d != index.Root {
		parent = x.Parent(d)
	}
	l.own = append(make([]entry, 0, 8), entry{".", view.DirIno(d)}, entry{"..", view.DirIno(parent)})
	if number, ok := x.SampleIn(d); ok {
		l.sample = number
		l.own = append(l.own, entry{index.KeyFile, view.KeyIno(number)})
		l.own = append(l.own, entry{index.SourceFile, view.SourceIno(number)})
		start, end := x.SampleRows(number)
		for row := start; row < end; row++ {
			if x.InSample(row) {
				l.own = append(l.own, entry{x.FileName(row), view.MemberIno(row)})
			}
		}
	}
	slices.SortFunc(l.own, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for _, e := range l.own {
		l.longest = max(l.longest, len(e.name))
		l.size += entrySize + len(e.name)
	}
	m.addSubdirs(l)
	l.places = make([]int, len(l.own))
	for i, e := range l.own {
		l.places[i] = i
		if l.subdirs > 0 {
			l.places[i] += sort.Search(l.subdirs, func(k int) bool { return x.Name(l.subdir(k)) > e.name })
		}
	}
	return l
}

// addSubdirs adds the subdirectories to a listing.
func (m *Image) addSubdirs(l *listing) {
	x := m.x
	if m.order.Flat {
		if l.dir != index.Root {
			return
		}
		l.first, l.subdirs = 1, x.Dirs()-1
		l.longest = max(l.longest, m.order.Longest)
		if !m.order.Ascending {
			l.kids = make([]index.Dir, l.subdirs)
			for k := range l.kids {
				l.kids[k] = l.first + index.Dir(k)
			}
			m.sortDirs(l.kids)
		}
		m.addSizes(l)
		return
	}
	first, n, longest, ascending, ok := x.Subdirs(l.dir)
	l.first, l.subdirs, l.longest = first, n, max(l.longest, longest)
	if !ok || !ascending {
		for kid, ok := x.FirstChild(l.dir); ok; kid, ok = x.Sibling(kid) {
			l.kids = append(l.kids, kid)
		}
		m.sortDirs(l.kids)
		l.subdirs = len(l.kids)
	}
	if !ok {
		for _, kid := range l.kids {
			l.longest = max(l.longest, len(x.Name(kid)))
		}
	}
	m.addSizes(l)
}

// addSizes adds the subdirectories of a small directory to the size of its entries.
func (m *Image) addSizes(l *listing) {
	if !l.isSmall() {
		return
	}
	for k := range l.subdirs {
		l.size += entrySize + len(m.x.Name(l.subdir(k)))
	}
}

// sortDirs sorts directories by their names.
func (m *Image) sortDirs(dirs []index.Dir) {
	// A number with the bytes of a name after those that all names begin with tells most names apart.
	type keyed struct {
		head uint64
		dir  index.Dir
	}
	common := ""
	for i, d := range dirs {
		name := m.x.Name(d)
		if i == 0 {
			common = name
		}
		n := 0
		for n < min(len(common), len(name)) && common[n] == name[n] {
			n++
		}
		common = common[:n]
	}
	all := make([]keyed, len(dirs))
	for i, d := range dirs {
		var b [8]byte
		copy(b[:], m.x.Name(d)[len(common):])
		all[i] = keyed{binary.BigEndian.Uint64(b[:]), d}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return strings.Compare(m.x.Name(a.dir), m.x.Name(b.dir))
	})
	for i, k := range all {
		dirs[i] = k.dir
	}
}

// subdir returns the k-th subdirectory.
func (l *listing) subdir(k int) index.Dir {
	if l.kids != nil {
		return l.kids[k]
	}
	return l.first + index.Dir(k)
}

// putEntries writes the entries from and before to of a directory to b, which the names and nothing else may fill. An
// inode of own is at its place in inodes.
func (m *Image) putEntries(b []byte, l *listing, inodes []int64, from, to int) error {
	i := sort.SearchInts(l.places, from)
	head, names := b, entrySize*(to-from)
	last := ""
	for k := from; k < to; k++ {
		var name string
		var place int64
		kind := byte(directoryType)
		if i < len(l.own) && l.places[i] == k {
			name, place = l.own[i].name, inodes[i]
			if !l.own[i].ino.IsDir() {
				kind = fileType
			}
			i++
		} else {
			d := l.subdir(k - i)
			name, place = m.x.Name(d), m.dirAt(d)
		}
		if names+len(name) > len(b) || k > from && name <= last {
			return m.unsuited("the names in a directory are not in order")
		}
		last = name
		binary.LittleEndian.PutUint64(head, uint64(place/inodeUnit))
		binary.LittleEndian.PutUint16(head[8:], uint16(names))
		head[10] = kind
		head = head[entrySize:]
		names += copy(b[names:], name)
	}
	return nil
}
