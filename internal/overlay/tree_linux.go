package overlay

import (
	"errors"
	"maps"
	"os"
	"path"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// Tree shows a shard with its changes in the form that a file system needs: numbered files and directories that can be
// read and changed. Errors are those of system calls, and [view.ErrShard] if the shard cannot be read. Changes are in
// the upper directory when a method returns. A Tree is safe for concurrent use.
//
// Unchanged files have the number that the view gives them, and need no memory. Changed and added files have a node; a
// node for a file of the shard keeps the view's number.
type Tree struct {
	o            *Overlay
	view         *view.View   // of the shard
	syncManifest func() error // makes the manifest of the scratch directory durable, once

	mu      sync.RWMutex // guards all below
	nodes   map[view.Ino]*node
	opens   map[view.Ino]int        // open count of each open file without a node
	gone    map[view.Ino]*view.Attr // deleted directories of the shard, with their last attributes
	byInode map[uint64]*node        // files by inode in the upper tree, so that a file with two names is one node
	next    view.Ino
}

// node is a changed or added file or directory. Tree.mu guards its fields.
type node struct {
	ino     view.Ino
	links   []link // its names; none once it is deleted
	lookups uint64 // lookups by the kernel for which Forget was not called yet
	inode   uint64 // inode number of a file in the upper tree

	dir      bool
	base     index.Dir // the directory of the shard that this directory is merged with
	over     bool      // base is valid
	children map[string]*node

	opens    int      // open count of a file
	file     *os.File // nil while opens is 0
	readOnly bool     // file is open for reading only

	lastAttr *view.Attr // its attributes when its last name was deleted
}

// link is a name of a node.
type link struct {
	parent view.Ino
	name   string
}

// NewTree returns the tree of an overlay whose scratch directory this process holds. There must be only one Tree at a
// time.
func NewTree(o *Overlay) (*Tree, error) {
	if err := o.upper.prepare(); err != nil {
		return nil, err
	}
	if err := recordPrefix(o.scratch, o.upper.xattrPrefix); err != nil {
		return nil, err
	}
	t := &Tree{
		o: o, view: view.New(o.Shard),
		nodes: make(map[view.Ino]*node), opens: make(map[view.Ino]int), gone: make(map[view.Ino]*view.Attr),
		byInode:      make(map[uint64]*node),
		next:         view.FirstOther,
		syncManifest: sync.OnceValue(o.scratch.Sync),
	}
	t.nodes[view.Root] = &node{
		ino: view.Root, dir: true, base: index.Root, over: true, children: make(map[string]*node),
	}
	return t, nil
}

// Lookup returns the attributes of the file or directory with a name in a directory. Each successful Lookup, Create,
// Mknod, Symlink, Mkdir and Link must be undone by Forget.
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
		return t.view.Attr(ino), nil // entries of an unchanged directory are unchanged
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

// Forget undoes n lookups of a file or directory.
func (t *Tree) Forget(ino view.Ino, n uint64) {
	if !ino.IsOther() {
		return // numbers of the view have no node, or keep it: see release
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

// release drops a node that is not in use, unless it will be needed again. A changed file or directory of the shard
// keeps its node while it has a name, because the kernel may have looked it up before there was a node to count
// lookups.
func (t *Tree) release(n *node) {
	ofShard := !n.ino.IsOther()
	switch {
	case n.opens > 0 || len(n.children) > 0:
		return
	case !ofShard && n.lookups > 0, ofShard && len(n.links) > 0, n.ino == view.Root:
		return
	}
	if ofShard && n.dir {
		// Its number must no longer mean the directory of the shard.
		if t.gone[n.ino] = n.lastAttr; n.lastAttr == nil {
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

// lookup finds a name in a directory: first among the nodes, then in the upper tree, then in the shard.
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

// adopt makes a node for the file or directory of the upper tree at the path at.
func (t *Tree) adopt(parent *node, name, at string, st *unix.Stat_t) (*node, error) {
	if !isDir(st) {
		if n := t.byInode[st.Ino]; n != nil {
			n.links, n.lastAttr = append(n.links, link{parent.ino, name}), nil
			parent.children[name] = n
			return n, nil
		}
		n := t.newNode(parent, name)
		n.inode = st.Ino
		t.byInode[st.Ino] = n
		return n, nil
	}
	lower, err := t.o.lowerOf(at, lowerDir{dir: parent.base, ok: parent.over}, nil)
	if err != nil {
		return nil, err
	}
	if !lower.ok || lower.opaque {
		n := t.newNode(parent, name)
		n.dir, n.children = true, make(map[string]*node)
		return n, nil
	}
	return t.dirNode(lower.dir, parent, name), nil
}

// newNode makes a node with a new number.
func (t *Tree) newNode(parent *node, name string) *node {
	t.next++
	n := &node{ino: t.next, links: []link{{parent.ino, name}}}
	t.nodes[n.ino] = n
	parent.children[name] = n
	return n
}

// dirNode makes a node for a directory of the shard.
func (t *Tree) dirNode(d index.Dir, parent *node, name string) *node {
	n := &node{
		ino: view.DirIno(d), links: []link{{parent.ino, name}}, dir: true, base: d, over: true,
		children: make(map[string]*node),
	}
	t.nodes[n.ino] = n
	parent.children[name] = n
	return n
}

// base returns the directory of the shard whose entries are visible in a directory, if any.
func (t *Tree) base(ino view.Ino) (index.Dir, bool) {
	if n := t.nodes[ino]; n != nil {
		return n.base, n.over
	}
	if t.gone[ino] != nil {
		return 0, false
	}
	return ino.Dir()
}

// lookupBase finds a name of the shard in a directory.
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

// inBase reports whether the shard has a name in a directory, changed or not.
func (t *Tree) inBase(parent view.Ino, name string) bool {
	_, err := t.lookupBase(parent, name)
	return err == nil
}

// location returns the parent and the name of a file or directory.
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

// path returns the path of a file or directory in the upper tree, even if it is not there yet.
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

func (t *Tree) isDir(ino view.Ino) bool {
	if n := t.nodes[ino]; n != nil {
		return n.dir
	}
	return ino.IsDir()
}

// Err returns an error once the index of the shard has turned out to be wrong. Results since then may be wrong, too.
func (t *Tree) Err() error { return t.view.Err() }

// Dirs returns the number of directories of the shard.
func (t *Tree) Dirs() int { return t.view.Dirs() }

// IsSample reports whether a directory is that of a sample of the shard.
func (t *Tree) IsSample(ino view.Ino) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.base(ino)
	if ok {
		_, ok = t.o.Shard.Index.SampleIn(d)
	}
	return ok
}

// Close closes all open files.
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
