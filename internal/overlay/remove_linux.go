package overlay

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Unlink deletes a name of a file.
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
	last := t.last(ino)
	p, at, err := t.inUpper(parent, name)
	if err != nil {
		return err
	}
	if t.inBase(parent, name) {
		err = t.o.upper.whiteout(at)
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
	last := t.last(ino)
	p, at, err := t.inUpper(parent, name)
	if err != nil {
		return err
	}
	// An empty one lies in the upper tree: what the shard shows in a directory can only be hidden there.
	if err := t.o.upper.discard(at, t.inBase(parent, name)); err != nil {
		return err
	}
	t.unlinked(p, name, last)
	return nil
}

// checkEmpty returns an error for what is no directory or has entries.
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

// unlinked takes note that a name is gone.
func (t *Tree) unlinked(parent *node, name string, last *view.Attr) {
	n := parent.children[name]
	if n == nil {
		return
	}
	delete(parent.children, name)
	n.links = slices.DeleteFunc(n.links, func(l link) bool { return l == link{parent.ino, name} })
	if len(n.links) == 0 {
		n.last = last
		if (last == nil || last.Nlink == 0) && t.byInode[n.inode] == n {
			delete(t.byInode, n.inode) // the file system may give the number to another file
		}
	}
	t.release(n)
}
