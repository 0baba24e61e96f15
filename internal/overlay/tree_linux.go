package overlay

import (
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// Tree is the view with its changes as a file system sees it: a tree of numbered files and directories that can be read
// and changed. Changes go to the upper directory at once. It is safe for concurrent use.
type Tree struct {
	o    *Overlay
	view *view.View   // what the shard shows
	note func() error // makes the scratch directory's note durable, once

	mu      sync.RWMutex // guards all below
	nodes   map[view.Ino]*node
	opens   map[view.Ino]int        // how often each file without a node is open
	gone    map[view.Ino]*view.Attr // directories of the shard that were deleted, as they were
	byInode map[uint64]*node        // files of the upper tree by their number there, so that a file with two names is one node
	next    view.Ino
}

// node is what was changed or added. Its fields are guarded by Tree.mu.
type node struct {
	ino     view.Ino
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

	last *view.Attr // what it was when its last name was deleted
}

// link is one name of a node.
type link struct {
	parent view.Ino
	name   string
}

// NewTree returns the tree of an overlay whose scratch directory this process holds.
func NewTree(o *Overlay) (*Tree, error) {
	if err := o.upper.prepare(); err != nil {
		return nil, err
	}
	if err := recordPrefix(o.scratch, o.upper.xattrPrefix); err != nil {
		return nil, err
	}
	t := &Tree{
		o: o, view: view.New(o.Shard),
		nodes: make(map[view.Ino]*node), opens: make(map[view.Ino]int), gone: make(map[view.Ino]*view.Attr), byInode: make(map[uint64]*node),
		next: view.FirstOther,
		note: sync.OnceValue(o.scratch.Sync),
	}
	t.nodes[view.Root] = &node{ino: view.Root, dir: true, base: index.Root, over: true, children: make(map[string]*node)}
	return t, nil
}

// Lookup returns the file or directory of that name in a directory. The caller must Forget it once for each Lookup.
func (t *Tree) Lookup(parent view.Ino, name string) (view.Attr, error) {
	if len(name) > unix.NAME_MAX {
		return view.Attr{}, unix.ENAMETOOLONG
	}
	t.mu.RLock()
	if t.nodes[parent] == nil {
		defer t.mu.RUnlock()
		ino, err := t.lookupBase(parent, name)
		if err != nil {
			return view.Attr{}, err
		}
		return t.view.Attr(ino), nil // in an unchanged directory everything is
	}
	t.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.lookup(parent, name)
	if err != nil {
		return view.Attr{}, err
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
func (t *Tree) Forget(ino view.Ino, n uint64) {
	if !ino.IsOther() {
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
	ours := !n.ino.IsOther()
	switch {
	case n.opens > 0 || len(n.children) > 0:
		return
	case !ours && n.lookups > 0, ours && len(n.links) > 0, n.ino == view.Root:
		return
	}
	if ours && n.dir {
		// Its number must not stand for what the shard has.
		if t.gone[n.ino] = n.last; n.last == nil {
			a := t.view.Attr(n.ino)
			a.Nlink, t.gone[n.ino] = 0, &a
		}
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
func (t *Tree) lookup(parent view.Ino, name string) (view.Ino, error) {
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
		ino: view.DirIno(d), links: []link{{parent.ino, name}}, dir: true, base: d, over: true, children: make(map[string]*node),
	}
	t.nodes[n.ino] = n
	parent.children[name] = n
	return n
}

// base returns the directory of the shard that a directory lies over, if any.
func (t *Tree) base(ino view.Ino) (index.Dir, bool) {
	if n := t.nodes[ino]; n != nil {
		return n.base, n.over
	}
	if t.gone[ino] != nil {
		return 0, false
	}
	return ino.Dir()
}

// lookupBase finds what the shard has under a name in a directory.
func (t *Tree) lookupBase(parent view.Ino, name string) (view.Ino, error) {
	d, ok := t.base(parent)
	if !ok {
		return 0, unix.ENOENT
	}
	ino, ok := t.view.Child(d, name)
	if !ok {
		return 0, unix.ENOENT
	}
	return ino, nil
}

// inBase reports whether the shard shows something under a name in a directory, changed or not.
func (t *Tree) inBase(parent view.Ino, name string) bool {
	_, err := t.lookupBase(parent, name)
	return err == nil
}

// location returns the directory and name at which a file or directory is.
func (t *Tree) location(ino view.Ino) (link, error) {
	if n := t.nodes[ino]; n != nil {
		if len(n.links) == 0 {
			return link{}, unix.ESTALE
		}
		return n.links[0], nil
	}
	if t.gone[ino] != nil || ino.IsOther() {
		return link{}, unix.ESTALE
	}
	dir, name := t.view.Location(ino)
	return link{dir, name}, nil
}

// path returns where a file or directory lies, or would lie, in the upper tree.
func (t *Tree) path(ino view.Ino) (string, error) {
	if ino == view.Root {
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
func (t *Tree) Stat(ino view.Ino) (view.Attr, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.attr(ino)
}

func (t *Tree) attr(ino view.Ino) (view.Attr, error) {
	n := t.nodes[ino]
	if n == nil {
		if ino.IsOther() {
			return view.Attr{}, unix.ESTALE
		}
		if a := t.gone[ino]; a != nil {
			return *a, nil
		}
		a := t.view.Attr(ino)
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
		return view.Attr{}, err
	}
	a := attrOf(ino, &st)
	if n.over && t.view.DirLinks(n.base) == 1 {
		a.Nlink = 1
	}
	return a, nil
}

// attrOf describes something of the upper tree.
func attrOf(ino view.Ino, st *unix.Stat_t) view.Attr {
	return view.Attr{
		Ino: ino, Mode: st.Mode, Size: st.Size, Blocks: st.Blocks, Nlink: uint32(st.Nlink), Uid: st.Uid, Gid: st.Gid,
		Rdev: uint32(st.Rdev), BlkSize: uint32(st.Blksize),
		Atime: time.Unix(st.Atim.Unix()), Mtime: time.Unix(st.Mtim.Unix()), Ctime: time.Unix(st.Ctim.Unix()),
	}
}

// hidden reports whether something that is as the shard has it has lost its name, to a whiteout or to something else.
func (t *Tree) hidden(ino view.Ino) bool {
	if ino == view.Root {
		return false
	}
	l, err := t.location(ino)
	if err != nil || t.nodes[l.parent] == nil && t.gone[l.parent] == nil {
		return false // in an unchanged directory nothing is
	}
	at, err := t.path(l.parent)
	if err == nil {
		_, err = t.o.upper.stat(path.Join(at, l.name))
	}
	return err != unix.ENOENT
}

// ReadAt reads the content of a file. One that was changed is better open.
func (t *Tree) ReadAt(ino view.Ino, p []byte, off int64) (int, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n == nil {
		return t.view.ReadAt(ino, p, off)
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
func (t *Tree) openForRead(ino view.Ino) (*os.File, error) {
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

// Readlink returns where a symbolic link leads.
func (t *Tree) Readlink(ino view.Ino) (string, error) {
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
	ino view.Ino

	mu    sync.Mutex // guards the fields below
	begun bool
	base  index.Dir
	over  bool                     // base holds
	upper map[string]view.DirEntry // what lies in the upper tree, by name; without a mode where it is a whiteout
	added []string                 // those names that the shard does not show here
}

// List opens a directory.
func (t *Tree) List(ino view.Ino) *Listing {
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
	l.upper = make(map[string]view.DirEntry, len(entries))
	files := l.files()
	for _, e := range entries {
		if isWhiteout(&e.stat) {
			l.upper[e.name] = view.DirEntry{}
			continue
		}
		entry := view.DirEntry{Name: e.name, Mode: e.stat.Mode & unix.S_IFMT}
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

// Entries yields the entries from a place on, without "." and "..". The listing begins anew at place 0.
func (l *Listing) Entries(from uint64, yield func(view.DirEntry) bool) error {
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
func (l *Listing) entries(from uint64, yield func(view.DirEntry) bool) {
	as := func(e view.DirEntry) bool {
		upper, ok := l.upper[e.Name]
		if !ok {
			return yield(e)
		}
		if upper.Mode == 0 {
			return true // deleted
		}
		upper.Next = e.Next
		return yield(upper)
	}
	if l.over && !l.t.view.Entries(l.base, from, as) {
		return
	}
	const atAdded = view.AfterAll // positions in Listing.added
	i := 0
	if from >= atAdded {
		i = int(from-atAdded) + 1
	}
	for ; i < len(l.added); i++ {
		e := l.upper[l.added[i]]
		e.Next = atAdded + uint64(i)
		if !yield(e) {
			return
		}
	}
}

// Err says that the index of the shard has turned out to be false. What the tree has told since may be wrong.
func (t *Tree) Err() error { return t.view.Err() }

// Dirs returns how many directories the shard shows.
func (t *Tree) Dirs() int { return t.view.Dirs() }

// IsSample reports whether a directory shows a sample of the shard.
func (t *Tree) IsSample(ino view.Ino) bool {
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
