package overlay

import (
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
)

// Ino is the number by which a [Tree] knows a file or directory, as long as it is mounted.
//
// What the shard shows has a number computed from the index, so that nothing is kept for it. What was changed or added
// has a node; a file or directory of the shard keeps its number when it gets one.
type Ino uint64

// RootIno is the number of the root.
const RootIno Ino = 1

// Numbers are a kind and a row of the index, or a count.
const (
	kindDir Ino = iota + 1 // row of a directory
	kindKey                // number of a sample
	kindSource
	kindMember // row of a member
	kindNew    // count

	kindShift = 40
)

func (i Ino) kind() Ino { return i >> kindShift }
func (i Ino) row() int  { return int(i & (1<<kindShift - 1)) }

func dirIno(d index.Dir) Ino {
	if d == index.Root {
		return RootIno
	}
	return kindDir<<kindShift | Ino(d)
}

// Tree is the view with its changes as a file system sees it: a tree of numbered files and directories that can be read
// and changed. Changes go to the upper directory at once. It is safe for concurrent use.
type Tree struct {
	o    *Overlay
	made time.Time // the time of directories that lead to samples
	uid  uint32
	gid  uint32
	note func() error // makes the scratch directory's note durable, once

	mu      sync.RWMutex // guards all below
	nodes   map[Ino]*node
	opens   map[Ino]int      // how often each file without a node is open
	gone    map[Ino]bool     // directories of the shard that were deleted
	byInode map[uint64]*node // files of the upper tree by their number there, so that a file with two names is one node
	next    Ino
}

// node is what was changed or added. Its fields are guarded by Tree.mu.
type node struct {
	ino     Ino
	links   []link // where it is; empty once it is deleted
	lookups uint64 // how often the kernel was told of it and has not yet forgotten it
	inode   uint64 // number in the upper tree, of a file

	dir      bool
	base     index.Dir // the directory of the shard that it lies over
	over     bool      // base holds
	children map[string]*node

	opens    int      // how often a file is open
	file     *os.File // nil while opens is 0
	readOnly bool     // file is open for reading only

	last *Attr // what it was when its last name was deleted
}

// link is one name of a node.
type link struct {
	parent Ino
	name   string
}

// NewTree returns the tree of an overlay whose scratch directory this process holds.
func NewTree(o *Overlay) (*Tree, error) {
	if err := o.upper.prepare(); err != nil {
		return nil, err
	}
	t := &Tree{
		o: o, made: time.Unix(0, o.Shard.Origin.ModTime), uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()),
		nodes: make(map[Ino]*node), opens: make(map[Ino]int), gone: make(map[Ino]bool), byInode: make(map[uint64]*node),
		next: kindNew << kindShift,
		note: sync.OnceValue(func() error { return syncNote(o.dir) }),
	}
	t.nodes[RootIno] = &node{ino: RootIno, dir: true, base: index.Root, over: true, children: make(map[string]*node)}
	return t, nil
}

// Attr describes a file or directory.
type Attr struct {
	Ino     Ino
	Mode    uint32 // type and permissions, as in stat(2)
	Size    int64
	Blocks  int64 // of 512 bytes
	Nlink   uint32
	Uid     uint32
	Gid     uint32
	Rdev    uint32
	Atime   time.Time
	Mtime   time.Time
	Ctime   time.Time
	BlkSize uint32
}

// Look calls found, again and again if it is false and the shard is still being indexed, until that has ended or cancel is
// closed. All that is asked of the tree of such a shard is asked in found, except for ReadAt. An error is ErrShard, or
// EINTR.
func (t *Tree) Look(cancel <-chan struct{}, found func() bool) error {
	cancelled, err := t.o.Shard.Look(cancel, func(*index.Index) bool { return found() })
	switch {
	case cancelled:
		return unix.EINTR
	case err != nil:
		return asShardError(err)
	}
	return nil
}

// Growing reports whether the shard is still being indexed.
func (t *Tree) Growing() bool { return t.o.Shard.Growing() }

// Lookup returns the file or directory of that name in a directory. The caller must Forget it once for each Lookup.
func (t *Tree) Lookup(parent Ino, name string) (Attr, error) {
	if len(name) > unix.NAME_MAX {
		return Attr{}, unix.ENAMETOOLONG
	}
	t.mu.RLock()
	if t.nodes[parent] == nil {
		defer t.mu.RUnlock()
		ino, err := t.lookupBase(parent, name)
		if err != nil {
			return Attr{}, err
		}
		return t.baseAttr(ino), nil // in an unchanged directory everything is
	}
	t.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.lookup(parent, name)
	if err != nil {
		return Attr{}, err
	}
	attr, err := t.attr(ino)
	if n := t.nodes[ino]; n != nil {
		if err == nil {
			n.lookups++
		}
		t.release(n)
	}
	return attr, err
}

// Forget takes back n times that the caller was told of a file or directory.
func (t *Tree) Forget(ino Ino, n uint64) {
	if ino.kind() != kindNew {
		return // computed, or kept: earlier lookups of it were not counted
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	nd := t.nodes[ino]
	if nd == nil {
		return
	}
	nd.lookups -= min(n, nd.lookups)
	t.release(nd)
}

// release drops a node that nobody uses and that can be made again, or never will be. A file or directory of the shard
// that holds a change keeps its node as long as it has a name: the kernel may still know its number from a time when
// there was no node to count with.
func (t *Tree) release(n *node) {
	ours := n.ino.kind() != kindNew
	switch {
	case n.opens > 0 || len(n.children) > 0:
		return
	case !ours && n.lookups > 0, ours && len(n.links) > 0, n.ino == RootIno:
		return
	}
	if ours && n.dir {
		t.gone[n.ino] = true // its number must not stand for what the shard has
	}
	delete(t.nodes, n.ino)
	if t.byInode[n.inode] == n {
		delete(t.byInode, n.inode)
	}
	for _, l := range n.links {
		if p := t.nodes[l.parent]; p != nil {
			delete(p.children, l.name)
			t.release(p)
		}
	}
}

// lookup finds a name in a directory: what was changed first, then what the shard has.
func (t *Tree) lookup(parent Ino, name string) (Ino, error) {
	p := t.nodes[parent]
	if p == nil {
		return t.lookupBase(parent, name)
	}
	if !p.dir {
		return 0, unix.ENOTDIR
	}
	if child := p.children[name]; child != nil {
		return child.ino, nil
	}
	at, err := t.path(parent)
	if err != nil {
		return 0, err
	}
	st, err := t.o.upper.stat(path.Join(at, name))
	switch {
	case err == unix.ENOENT:
		return t.lookupBase(parent, name)
	case err != nil:
		return 0, err
	case isWhiteout(&st):
		return 0, unix.ENOENT
	}
	n, err := t.adopt(p, name, path.Join(at, name), &st)
	if err != nil {
		return 0, err
	}
	return n.ino, nil
}

// adopt makes a node of what lies in the upper tree.
func (t *Tree) adopt(parent *node, name, at string, st *unix.Stat_t) (*node, error) {
	if !isDir(st) {
		if n := t.byInode[st.Ino]; n != nil {
			n.links, n.last = append(n.links, link{parent.ino, name}), nil
			parent.children[name] = n
			return n, nil
		}
		n := t.newNode(parent, name)
		n.inode = st.Ino
		t.byInode[st.Ino] = n
		return n, nil
	}
	d, over, opaque, err := t.o.baseOf(at, parent.base, parent.over, nil)
	if err != nil {
		return nil, err
	}
	if !over || opaque {
		n := t.newNode(parent, name)
		n.dir, n.children = true, make(map[string]*node)
		return n, nil
	}
	return t.dirNode(d, parent, name), nil
}

// newNode makes a node with a new number.
func (t *Tree) newNode(parent *node, name string) *node {
	t.next++
	n := &node{ino: t.next, links: []link{{parent.ino, name}}}
	t.nodes[n.ino] = n
	parent.children[name] = n
	return n
}

// dirNode makes a node of a directory of the shard.
func (t *Tree) dirNode(d index.Dir, parent *node, name string) *node {
	n := &node{
		ino: dirIno(d), links: []link{{parent.ino, name}}, dir: true, base: d, over: true, children: make(map[string]*node),
	}
	t.nodes[n.ino] = n
	parent.children[name] = n
	return n
}

// base returns the directory of the shard that a directory lies over, if any.
func (t *Tree) base(ino Ino) (index.Dir, bool) {
	if n := t.nodes[ino]; n != nil {
		return n.base, n.over
	}
	if ino.kind() == kindDir && !t.gone[ino] {
		return index.Dir(ino.row()), true
	}
	return 0, false
}

// lookupBase finds what the shard has under a name in a directory.
func (t *Tree) lookupBase(parent Ino, name string) (Ino, error) {
	d, ok := t.base(parent)
	if !ok {
		return 0, unix.ENOENT
	}
	x := t.o.Shard.Index
	if number, ok := x.SampleIn(d); ok {
		switch name {
		case index.KeyFile:
			return kindKey<<kindShift | Ino(number), nil
		case index.SourceFile:
			return kindSource<<kindShift | Ino(number), nil
		}
		if row, ok := x.FindFile(number, name); ok {
			return kindMember<<kindShift | Ino(row), nil
		}
	}
	if child, ok := x.Child(d, name); ok {
		return dirIno(child), nil
	}
	return 0, unix.ENOENT
}

// inBase reports whether the shard shows something under a name in a directory, changed or not.
func (t *Tree) inBase(parent Ino, name string) bool {
	_, err := t.lookupBase(parent, name)
	return err == nil
}

// location returns the directory and name at which a file or directory is.
func (t *Tree) location(ino Ino) (link, error) {
	if n := t.nodes[ino]; n != nil {
		if len(n.links) == 0 {
			return link{}, unix.ESTALE
		}
		return n.links[0], nil
	}
	if t.gone[ino] {
		return link{}, unix.ESTALE
	}
	x := t.o.Shard.Index
	row := ino.row()
	switch ino.kind() {
	case kindDir:
		return link{dirIno(x.Parent(index.Dir(row))), x.Name(index.Dir(row))}, nil
	case kindKey:
		return link{dirIno(x.DirOf(row)), index.KeyFile}, nil
	case kindSource:
		return link{dirIno(x.DirOf(row)), index.SourceFile}, nil
	case kindMember:
		return link{dirIno(x.DirOf(x.SampleOfRow(row))), x.FileName(row)}, nil
	}
	return link{}, unix.ESTALE
}

// path returns where a file or directory lies, or would lie, in the upper tree.
func (t *Tree) path(ino Ino) (string, error) {
	if ino == RootIno {
		return "", nil
	}
	l, err := t.location(ino)
	if err != nil {
		return "", err
	}
	parent, err := t.path(l.parent)
	return path.Join(parent, l.name), err
}

// Stat describes a file or directory.
func (t *Tree) Stat(ino Ino) (Attr, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.attr(ino)
}

func (t *Tree) attr(ino Ino) (Attr, error) {
	n := t.nodes[ino]
	if n == nil {
		if ino.kind() == kindNew {
			return Attr{}, unix.ESTALE
		}
		a := t.baseAttr(ino)
		if t.hidden(ino) {
			a.Nlink = 0
		}
		return a, nil
	}
	var st unix.Stat_t
	var err error
	switch {
	case n.file != nil:
		err = unix.Fstat(int(n.file.Fd()), &st)
	case n.last != nil:
		return *n.last, nil
	default:
		var at string
		if at, err = t.path(ino); err == nil {
			st, err = t.o.upper.stat(at)
		}
	}
	if err != nil {
		return Attr{}, err
	}
	a := attrOf(ino, &st)
	if n.over && t.dirLinks(n.base) == 1 {
		a.Nlink = 1
	}
	return a, nil
}

// attrOf describes something of the upper tree.
func attrOf(ino Ino, st *unix.Stat_t) Attr {
	return Attr{
		Ino: ino, Mode: st.Mode, Size: st.Size, Blocks: st.Blocks, Nlink: uint32(st.Nlink), Uid: st.Uid, Gid: st.Gid,
		Rdev: uint32(st.Rdev), BlkSize: uint32(st.Blksize),
		Atime: time.Unix(st.Atim.Unix()), Mtime: time.Unix(st.Mtim.Unix()), Ctime: time.Unix(st.Ctim.Unix()),
	}
}

// hidden reports whether something that is as the shard has it has lost its name, to a whiteout or to something else.
func (t *Tree) hidden(ino Ino) bool {
	if ino == RootIno || t.gone[ino] {
		return ino != RootIno
	}
	l, err := t.location(ino)
	if err != nil || t.nodes[l.parent] == nil && !t.gone[l.parent] {
		return false // in an unchanged directory nothing is
	}
	at, err := t.path(l.parent)
	if err == nil {
		_, err = t.o.upper.stat(path.Join(at, l.name))
	}
	return err != unix.ENOENT
}

// dirLinks returns the link count of a directory of the shard. It is 2 for one without directories in it, and 1, which
// is understood as not counted, for the others.
func (t *Tree) dirLinks(d index.Dir) uint32 {
	if _, ok := t.o.Shard.Index.FirstChild(d); ok {
		return 1
	}
	return 2
}

// baseAttr describes what the shard shows under a computed number.
func (t *Tree) baseAttr(ino Ino) Attr {
	x := t.o.Shard.Index
	a := Attr{Ino: ino, Mode: unix.S_IFREG | 0o644, Nlink: 1, Uid: t.uid, Gid: t.gid, BlkSize: 4096}
	row := ino.row()
	switch ino.kind() {
	case kindKey:
		a.Size, a.Mtime = int64(len(x.Key(row))), x.ModTime(x.Sample(row).Start)
	case kindSource:
		a.Size, a.Mtime = int64(len(t.o.Shard.Name)), x.ModTime(x.Sample(row).Start)
	case kindMember:
		_, a.Size = x.Content(row)
		a.Mtime = x.ModTime(row)
	default:
		d := index.Dir(row)
		if ino == RootIno {
			d = index.Root
		}
		a.Mode, a.Nlink, a.Mtime = unix.S_IFDIR|0o755, t.dirLinks(d), t.made
		if number, ok := x.SampleIn(d); ok {
			a.Mtime = x.ModTime(x.Sample(number).Start)
		}
	}
	a.Blocks = (a.Size + 511) / 512
	a.Atime, a.Ctime = a.Mtime, a.Mtime
	return a
}

// ReadAt reads the content of a file. One that was changed is better open.
func (t *Tree) ReadAt(ino Ino, p []byte, off int64) (int, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n == nil {
		return t.readBase(ino, p, off)
	}
	f, err := t.openedFile(n)
	if err == unix.EBADF {
		if f, err = t.openForRead(ino); err == nil {
			defer f.Close()
		}
	}
	if err != nil {
		return 0, err
	}
	m, err := f.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return m, err
}

// openForRead opens a file of the upper tree for one call.
func (t *Tree) openForRead(ino Ino) (*os.File, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	at, err := t.path(ino)
	if err != nil {
		return nil, err
	}
	fd, err := t.o.upper.open(at, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), at), nil
}

// readBase reads a file of the shard.
func (t *Tree) readBase(ino Ino, p []byte, off int64) (n int, err error) {
	var content io.ReaderAt
	lookErr := t.Look(nil, func() bool {
		x := t.o.Shard.Index
		switch ino.kind() {
		case kindKey:
			content = strings.NewReader(x.Key(ino.row()))
		case kindSource:
			content = strings.NewReader(t.o.Shard.Name)
		case kindMember:
			content, err = x.Open(ino.row(), shardReader{t.o})
		default:
			err = unix.EISDIR
		}
		return true
	})
	switch {
	case err == unix.EISDIR:
		return 0, err
	case err != nil:
		return 0, asShardError(err)
	case lookErr != nil:
		return 0, lookErr
	}
	if n, err = content.ReadAt(p, off); err == io.EOF {
		err = nil
	}
	return n, err
}

// Readlink returns where a symbolic link leads.
func (t *Tree) Readlink(ino Ino) (string, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.nodes[ino] == nil {
		return "", unix.EINVAL
	}
	at, err := t.path(ino)
	if err != nil {
		return "", err
	}
	target := make([]byte, unix.PathMax)
	var n int
	err = t.o.upper.at(at, func(dir int, base string) error {
		n, err = unix.Readlinkat(dir, base, target)
		return err
	})
	return string(target[:max(n, 0)]), err
}

// Listing is an open directory. What the shard shows in it is listed in tar order, what was added after it by name, both
// as they were when the listing began. It is safe for concurrent use.
type Listing struct {
	t   *Tree
	ino Ino

	mu    sync.Mutex // guards the fields below
	begun bool
	base  index.Dir
	over  bool                // base holds
	upper map[string]DirEntry // what lies in the upper tree, by name; without a mode where it is a whiteout
	added []string            // those names that the shard does not show here
}

// DirEntry is one name of a directory.
type DirEntry struct {
	Name string
	Ino  Ino // 0 where it is not known without looking
	Mode uint32
	Next uint64 // where a listing goes on behind it
}

// List opens a directory.
func (t *Tree) List(ino Ino) *Listing {
	return &Listing{t: t, ino: ino}
}

// read notes what is in the directory.
func (l *Listing) read() error {
	t := l.t
	l.begun, l.upper, l.added = true, nil, nil
	l.base, l.over = t.base(l.ino)
	dir := t.nodes[l.ino]
	if dir == nil {
		return nil
	}
	at, err := t.path(l.ino)
	if err != nil {
		return err
	}
	entries, err := t.o.upper.list(at)
	if err != nil || len(entries) == 0 {
		return err
	}
	l.upper = make(map[string]DirEntry, len(entries))
	files := l.files()
	for _, e := range entries {
		if isWhiteout(&e.stat) {
			l.upper[e.name] = DirEntry{}
			continue
		}
		entry := DirEntry{Name: e.name, Mode: e.stat.Mode & unix.S_IFMT}
		if n := dir.children[e.name]; n != nil {
			entry.Ino = n.ino
		}
		l.upper[e.name] = entry
		if files[e.name] {
			continue
		}
		if _, ok := t.o.Shard.Index.Child(l.base, e.name); !ok || !l.over {
			l.added = append(l.added, e.name)
		}
	}
	return nil
}

// files returns the names of the files that the shard shows in the directory.
func (l *Listing) files() map[string]bool {
	x := l.t.o.Shard.Index
	number, ok := x.SampleIn(l.base)
	if !ok || !l.over {
		return nil
	}
	sample := x.Sample(number)
	files := map[string]bool{index.KeyFile: true, index.SourceFile: true}
	for row := sample.Start; row < sample.End; row++ {
		if x.InSample(row) {
			files[x.FileName(row)] = true
		}
	}
	return files
}

// Places in a listing. 0 is its beginning; the others are a kind and a row, and mean what follows.
const (
	atKey    = 1 << kindShift // the sample's two files
	atSource = 2 << kindShift
	atMember = 3 << kindShift // rows of members
	atChild  = 4 << kindShift // rows of directories
	atAdded  = 5 << kindShift // positions in Listing.added
)

// Entries yields the entries from a place on, without "." and "..". The listing begins anew at place 0.
func (l *Listing) Entries(from uint64, yield func(DirEntry) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from == 0 || !l.begun {
		l.t.mu.RLock()
		err := l.read()
		l.t.mu.RUnlock()
		if err != nil {
			return err
		}
	}
	l.entries(from, yield)
	return nil
}

// entries yields the entries from a place on, as they were read.
func (l *Listing) entries(from uint64, yield func(DirEntry) bool) {
	x := l.t.o.Shard.Index
	next := func(name string, ino Ino, mode uint32, place uint64) bool {
		e := DirEntry{Name: name, Ino: ino, Mode: mode}
		if upper, ok := l.upper[name]; ok {
			if upper.Mode == 0 {
				return true // deleted
			}
			e = upper
		}
		e.Next = place
		return yield(e)
	}
	if number, ok := x.SampleIn(l.base); l.over && ok && from < atChild {
		if from < atKey && !next(index.KeyFile, kindKey<<kindShift|Ino(number), unix.S_IFREG, atKey) {
			return
		}
		if from < atSource && !next(index.SourceFile, kindSource<<kindShift|Ino(number), unix.S_IFREG, atSource) {
			return
		}
		sample := x.Sample(number)
		row := sample.Start
		if from >= atMember {
			row = int(from-atMember) + 1
		}
		for ; row < sample.End; row++ {
			if x.InSample(row) && !next(x.FileName(row), kindMember<<kindShift|Ino(row), unix.S_IFREG, atMember+uint64(row)) {
				return
			}
		}
	}
	if l.over && from < atAdded {
		child, ok := x.FirstChild(l.base)
		if from >= atChild {
			child, ok = x.Sibling(index.Dir(from - atChild))
		}
		for ; ok; child, ok = x.Sibling(child) {
			if !next(x.Name(child), dirIno(child), unix.S_IFDIR, atChild+uint64(child)) {
				return
			}
		}
	}
	i := 0
	if from >= atAdded {
		i = int(from-atAdded) + 1
	}
	for ; i < len(l.added); i++ {
		if !next(l.added[i], 0, 0, atAdded+uint64(i)) {
			return
		}
	}
}

// Dirs returns how many directories the shard shows.
func (t *Tree) Dirs() int { return t.o.Shard.Index.Dirs() }

// IsSample reports whether a directory shows a sample of the shard.
func (t *Tree) IsSample(ino Ino) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.base(ino)
	if ok {
		_, ok = t.o.Shard.Index.SampleIn(d)
	}
	return ok
}

// Close closes the files that are open.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for n := range maps.Values(t.nodes) {
		if n.file != nil {
			errs = append(errs, n.file.Close())
		}
	}
	t.nodes = nil
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return err == nil })...)
}

// Statfs describes the file system that changes are written to.
func (t *Tree) Statfs() (st syscall.Statfs_t, err error) {
	err = syscall.Fstatfs(int(t.o.upper.dir.Fd()), &st)
	return st, err
}
