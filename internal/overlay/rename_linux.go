package overlay

import (
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Rename moves a file or directory, in place of another one unless noReplace is set.
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
		return unix.ESTALE // the kernel locks both directories, so this is not its doing
	}
	target, err := t.lookup(newParent, newName)
	if err != nil && err != unix.ENOENT {
		return err
	}
	var last *view.Attr
	if err == nil {
		switch {
		case noReplace:
			return unix.EEXIST
		case target == ino:
			return nil
		case t.isDir(ino):
			if err := t.checkEmpty(target); err != nil {
				return err
			}
		case t.isDir(target):
			return unix.EISDIR
		}
		last = t.last(target)
	}
	n, err := t.copyUp(ino, c)
	if err != nil {
		return err
	}
	oldDir, from, err := t.inUpper(oldParent, oldName)
	if err != nil {
		return err
	}
	newDir, to, err := t.inUpper(newParent, newName)
	if err != nil {
		return err
	}
	if n.dir {
		if err := t.markMoved(n, from, newParent, newName); err != nil {
			return err
		}
	}
	if err := t.o.upper.move(from, to, n.dir, t.inBase(oldParent, oldName)); err != nil {
		return err
	}
	t.unlinked(newDir, newName, last)
	delete(oldDir.children, oldName)
	for i, l := range n.links {
		if l == (link{oldParent, oldName}) {
			n.links[i] = link{newParent, newName}
		}
	}
	newDir.children[newName] = n
	return nil
}

// markMoved marks a directory of the upper tree so that, at its new place, it lies over what it lay over before.
func (t *Tree) markMoved(n *node, at string, newParent view.Ino, newName string) error {
	if n.over {
		return t.o.upper.setXattr(at, "redirect", "/"+t.o.Shard.Index.Path(n.base))
	}
	if t.inBase(newParent, newName) {
		return t.o.upper.setXattr(at, "opaque", "y")
	}
	return nil
}
