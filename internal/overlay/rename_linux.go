package overlay

import (
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Rename moves a file or directory. It replaces a file or an empty directory with the new name; with noReplace, the
// error is EEXIST instead.
func (t *Tree) Rename(oldParent view.Ino, oldName string, newParent view.Ino, newName string, noReplace bool) error {
	t.mu.Lock()
	ino, err := t.lookup(oldParent, oldName)
	t.mu.Unlock()
	if err != nil {
		return err
	}
	c, err := t.copyOut(ino)
	if err != nil {
		return err
	}
	defer t.discard(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	if again, err := t.lookup(oldParent, oldName); err != nil || again != ino {
		return unix.ESTALE // cannot happen by a mount: the kernel locks both directories
	}
	var last *view.Attr // of the replaced file
	switch target, err := t.lookup(newParent, newName); {
	case err == unix.ENOENT:
	case err != nil:
		return err
	case target == ino && !noReplace:
		return nil
	default:
		if err := t.checkReplace(ino, target, noReplace); err != nil {
			return err
		}
		last = t.lastAttr(target)
	}
	n, err := t.copyUp(ino, c)
	if err != nil {
		return err
	}
	from, to := link{oldParent, oldName}, link{newParent, newName}
	newDir, err := t.move(n, from, to)
	if err != nil {
		return err
	}
	t.unlinked(newDir, newName, last)
	delete(t.nodes[oldParent].children, oldName)
	for i, l := range n.links {
		if l == from {
			n.links[i] = to
		}
	}
	newDir.children[newName] = n
	return nil
}

// checkReplace returns an error if a file or directory must not replace another one.
func (t *Tree) checkReplace(ino, target view.Ino, noReplace bool) error {
	switch {
	case noReplace:
		return unix.EEXIST
	case t.isDir(ino):
		return t.checkEmpty(target)
	case t.isDir(target):
		return unix.EISDIR
	}
	return nil
}

// move moves the file or directory of a node in the upper tree, and returns the node of the new parent.
func (t *Tree) move(n *node, from, to link) (newDir *node, err error) {
	_, fromPath, err := t.inUpper(from.parent, from.name)
	if err != nil {
		return nil, err
	}
	newDir, toPath, err := t.inUpper(to.parent, to.name)
	if err != nil {
		return nil, err
	}
	if n.dir {
		if err := t.markMoved(n, fromPath, to); err != nil {
			return nil, err
		}
	}
	return newDir, t.o.upper.move(fromPath, toPath, n.dir, t.inBase(from.parent, from.name))
}

// markMoved marks a directory of the upper tree so that at its new place it still shows the same directory of the
// shard, or none.
func (t *Tree) markMoved(n *node, at string, to link) error {
	if n.over {
		return t.o.upper.setXattr(at, "redirect", "/"+t.o.Shard.Index.Path(n.base))
	}
	if t.inBase(to.parent, to.name) {
		return t.o.upper.setXattr(at, "opaque", "y")
	}
	return nil
}
