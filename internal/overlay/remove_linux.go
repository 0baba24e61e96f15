package overlay

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Unlink deletes a name of a file. Processes that have the file open can still use it.
func (t *Tree) Unlink(parent view.Ino, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.lookup(parent, name)
	if err != nil {
		return err
	}
	if t.isDir(ino) {
		return unix.EISDIR
	}
	last := t.lastAttr(ino)
	p, at, err := t.inUpper(parent, name)
	if err != nil {
		return err
	}
	if t.inBase(parent, name) {
		err = t.o.upper.hide(at)
	} else {
		err = t.o.upper.at(at, func(dir int, base string) error { return unix.Unlinkat(dir, base, 0) })
	}
	if err != nil {
		return err
	}
	t.unlinked(p, name, last)
	return nil
}

// Rmdir deletes an empty directory.
func (t *Tree) Rmdir(parent view.Ino, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.lookup(parent, name)
	if err != nil {
		return err
	}
	if err := t.checkEmpty(ino); err != nil {
		return err
	}
	last := t.lastAttr(ino)
	p, at, err := t.inUpper(parent, name)
	if err != nil {
		return err
	}
	// An empty directory is in the upper tree: it was added, or its entries were deleted there.
	if err := t.o.upper.discard(at, t.inBase(parent, name)); err != nil {
		return err
	}
	t.unlinked(p, name, last)
	return nil
}

// checkEmpty returns ENOTDIR for a file, and ENOTEMPTY for a directory with entries.
func (t *Tree) checkEmpty(ino view.Ino) error {
	if !t.isDir(ino) {
		return unix.ENOTDIR
	}
	l := t.List(ino)
	if err := l.read(); err != nil {
		return err
	}
	empty := true
	l.entries(0, func(view.DirEntry) bool {
		empty = false
		return false
	})
	if !empty {
		return unix.ENOTEMPTY
	}
	return nil
}

// unlinked updates the nodes after a name was deleted or replaced. Last is the result of lastAttr before that.
func (t *Tree) unlinked(parent *node, name string, last *view.Attr) {
	n := parent.children[name]
	if n == nil {
		return
	}
	delete(parent.children, name)
	n.links = slices.DeleteFunc(n.links, func(l link) bool { return l == link{parent.ino, name} })
	if len(n.links) == 0 {
		n.lastAttr = last
		if (last == nil || last.Nlink == 0) && t.byInode[n.inode] == n {
			delete(t.byInode, n.inode) // the file system may reuse the inode number
		}
	}
	t.release(n)
}
