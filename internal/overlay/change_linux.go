package overlay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Open opens a file. Write says that it may be changed. Each Open is ended by a Release.
func (t *Tree) Open(ino Ino, write, truncate bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if write || truncate {
		if _, err := t.copyUp(ino, !truncate); err != nil {
			return err
		}
	}
	n := t.nodes[ino]
	if n == nil {
		t.opens[ino]++
		return nil
	}
	if err := t.use(n); err != nil {
		return err
	}
	if truncate {
		return ignoringEINTR(func() error { return unix.Ftruncate(int(n.file.Fd()), 0) })
	}
	return nil
}

// use counts one more use of a node's file and opens it for the first.
func (t *Tree) use(n *node) error {
	if n.dir {
		return unix.EISDIR
	}
	if n.file == nil {
		at, err := t.path(n.ino)
		if err != nil {
			return err
		}
		if n.file, err = t.openFile(at); err != nil {
			return err
		}
	}
	n.opens++
	return nil
}

// openFile opens a file of the upper tree, for writing where its mode lets us: the kernel has asked for the
// permissions of whoever opens it, and one file serves them all.
func (t *Tree) openFile(at string) (*os.File, error) {
	fd, err := t.o.upper.open(at, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err == unix.EACCES {
		fd, err = t.o.upper.open(at, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), at), nil
}

// Release ends an Open.
func (t *Tree) Release(ino Ino) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[ino]
	if n == nil {
		if t.opens[ino]--; t.opens[ino] <= 0 {
			delete(t.opens, ino)
		}
		return
	}
	if n.opens--; n.opens > 0 {
		return
	}
	if n.file != nil {
		n.file.Close()
		n.file = nil
	}
	t.release(n)
}

// openedFile returns the file of a node that is open.
func (t *Tree) openedFile(n *node) (*os.File, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n.file == nil {
		return nil, unix.EBADF
	}
	return n.file, nil
}

// WriteAt changes the content of a file that is open for writing.
func (t *Tree) WriteAt(ino Ino, p []byte, off int64) (int, error) {
	f, err := t.changed(ino)
	if err != nil {
		return 0, err
	}
	return f.WriteAt(p, off)
}

// Sync makes the content of an open file durable.
func (t *Tree) Sync(ino Ino) error {
	f, err := t.changed(ino)
	if err == unix.EBADF {
		return nil // the shard's own
	}
	if err != nil {
		return err
	}
	return f.Sync()
}

// Allocate is fallocate(2) on a file that is open for writing.
func (t *Tree) Allocate(ino Ino, mode uint32, off, size int64) error {
	f, err := t.changed(ino)
	if err != nil {
		return err
	}
	return ignoringEINTR(func() error { return unix.Fallocate(int(f.Fd()), mode, off, size) })
}

// changed returns the open file of a file that is not as the shard has it.
func (t *Tree) changed(ino Ino) (*os.File, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n == nil {
		return nil, unix.EBADF
	}
	return t.openedFile(n)
}

// Change is what SetAttr sets; nil and zero fields leave a thing as it is.
type Change struct {
	Size  *int64
	Mode  *uint32
	Uid   *uint32
	Gid   *uint32
	Atime *unix.Timespec
	Mtime *unix.Timespec
}

// SetAttr changes what Stat tells.
func (t *Tree) SetAttr(ino Ino, c Change) (Attr, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.setAttr(ino, c); err != nil {
		return Attr{}, err
	}
	return t.attr(ino)
}

func (t *Tree) setAttr(ino Ino, c Change) error {
	n, err := t.copyUp(ino, c.Size == nil || *c.Size > 0)
	if err != nil {
		return err
	}
	fd := -1
	if n.file != nil {
		fd = int(n.file.Fd())
	} else {
		at, err := t.path(ino)
		if err != nil {
			return err
		}
		if fd, err = t.o.upper.open(at, unix.O_PATH, 0); err != nil {
			return err
		}
		defer unix.Close(fd)
	}
	// Through /proc a descriptor that may only be a path serves every call alike.
	self := fmt.Sprintf("/proc/self/fd/%d", fd)
	if c.Size != nil {
		if err := ignoringEINTR(func() error { return unix.Truncate(self, *c.Size) }); err != nil {
			return err
		}
	}
	if c.Uid != nil || c.Gid != nil {
		uid, gid := -1, -1
		if c.Uid != nil {
			uid = int(*c.Uid)
		}
		if c.Gid != nil {
			gid = int(*c.Gid)
		}
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if c.Mode != nil {
		if err := unix.Chmod(self, *c.Mode&0o7777); err != nil {
			return err
		}
	}
	if c.Atime != nil || c.Mtime != nil {
		times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
		if c.Atime != nil {
			times[0] = *c.Atime
		}
		if c.Mtime != nil {
			times[1] = *c.Mtime
		}
		return unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
	}
	return nil
}

// copyUp gives a file or directory a node and a place in the upper tree, if it has none yet. Content says whether a
// file's content is copied.
func (t *Tree) copyUp(ino Ino, content bool) (*node, error) {
	if n := t.nodes[ino]; n != nil {
		return n, nil
	}
	l, err := t.location(ino)
	if err != nil {
		return nil, err
	}
	parent, err := t.copyUp(l.parent, false)
	if err != nil {
		return nil, err
	}
	at, err := t.path(l.parent)
	if err != nil {
		return nil, err
	}
	at = path.Join(at, l.name)
	if ino.kind() == kindDir {
		return t.copyUpDir(ino, parent, l.name, at)
	}
	if _, err := t.o.upper.stat(at); err == nil {
		return nil, unix.ESTALE // the file was deleted or replaced, and is only still open
	} else if err != unix.ENOENT {
		return nil, err
	}
	if err := t.copyUpFile(ino, at, content); err != nil {
		return nil, err
	}
	st, err := t.o.upper.stat(at)
	if err != nil {
		return nil, err
	}
	n := &node{ino: ino, links: []link{l}, inode: st.Ino}
	if opens := t.opens[ino]; opens > 0 {
		if n.file, err = t.openFile(at); err != nil {
			return nil, err
		}
		n.opens = opens
		delete(t.opens, ino)
	}
	t.nodes[ino], t.byInode[st.Ino], parent.children[l.name] = n, n, n
	return n, nil
}

func (t *Tree) copyUpDir(ino Ino, parent *node, name, at string) (*node, error) {
	a := t.baseAttr(ino)
	err := t.o.upper.at(at, func(dir int, base string) error {
		if err := unix.Mkdirat(dir, base, a.Mode&0o7777); err != nil {
			return err
		}
		return setTimes(dir, base, a.Mtime)
	})
	if err != nil {
		return nil, err
	}
	d, _ := t.base(ino)
	return t.dirNode(d, parent, name), nil
}

// copyUpFile copies a file of the shard to the upper tree: under its name it is whole or not there.
func (t *Tree) copyUpFile(ino Ino, at string, content bool) error {
	a := t.baseAttr(ino)
	temp := t.o.upper.temp()
	work := int(t.o.upper.work.Fd())
	fd, err := unix.Openat(work, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, a.Mode&0o7777)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), temp)
	if content {
		_, err = io.Copy(f, io.NewSectionReader(readerAt(func(p []byte, off int64) (int, error) {
			return t.readBase(ino, p, off)
		}), 0, a.Size))
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = setTimes(work, temp, a.Mtime)
	}
	if err != nil {
		unix.Unlinkat(work, temp, 0)
		return err
	}
	return t.o.upper.publish(temp, at, unix.RENAME_NOREPLACE)
}

// Owner is who asks for a new file or directory.
type Owner struct{ Uid, Gid uint32 }

// Create makes a file that is not there, open as by Open.
func (t *Tree) Create(parent Ino, name string, mode uint32, owner Owner) (Attr, error) {
	return t.create(parent, name, owner, func(dir int, base string) (*os.File, error) {
		fd, err := unix.Openat(dir, base, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode&0o7777)
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), base), nil
	})
}

// Mknod makes a file, FIFO or socket. Devices are refused: one of them would be a whiteout.
func (t *Tree) Mknod(parent Ino, name string, mode uint32, owner Owner) (Attr, error) {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		return Attr{}, unix.EPERM
	}
	return t.create(parent, name, owner, func(dir int, base string) (*os.File, error) {
		return nil, unix.Mknodat(dir, base, mode, 0)
	})
}

// Symlink makes a symbolic link.
func (t *Tree) Symlink(parent Ino, name, target string, owner Owner) (Attr, error) {
	return t.create(parent, name, owner, func(dir int, base string) (*os.File, error) {
		return nil, unix.Symlinkat(target, dir, base)
	})
}

// create makes something that is no directory under a name that is free. Where the shard's own was deleted, what is made
// takes the whiteout's place at once, so that the shard's is never seen again in between.
func (t *Tree) create(parent Ino, name string, owner Owner, build func(dir int, base string) (*os.File, error)) (Attr, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, at, hidden, err := t.vacant(parent, name)
	if err != nil {
		return Attr{}, err
	}
	u := t.o.upper
	var f *os.File
	put := func(dir int, base string) error {
		var err error
		if f, err = build(dir, base); err != nil {
			return err
		}
		return t.own(dir, base, owner)
	}
	if hidden {
		temp := u.temp()
		if err = put(int(u.work.Fd()), temp); err == nil {
			err = u.publish(temp, at, 0)
		}
	} else {
		err = u.at(at, put)
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		return Attr{}, err
	}
	st, err := u.stat(at)
	if err != nil {
		return Attr{}, err
	}
	n := t.newNode(p, name)
	n.inode, n.lookups = st.Ino, 1
	t.byInode[st.Ino] = n
	if f != nil {
		n.file, n.opens = f, 1
	}
	return t.attr(n.ino)
}

// vacant readies a directory for something new under a name that must be free. Hidden says that a whiteout lies there.
func (t *Tree) vacant(parent Ino, name string) (p *node, at string, hidden bool, err error) {
	if p, err = t.copyUp(parent, false); err != nil {
		return nil, "", false, err
	}
	if !p.dir {
		return nil, "", false, unix.ENOTDIR
	}
	if at, err = t.path(parent); err != nil {
		return nil, "", false, err
	}
	at = path.Join(at, name)
	st, err := t.o.upper.stat(at)
	switch {
	case err == unix.ENOENT && t.inBase(parent, name), err == nil && !isWhiteout(&st):
		return nil, "", false, unix.EEXIST
	case err != nil && err != unix.ENOENT:
		return nil, "", false, err
	}
	return p, at, err == nil, nil
}

// own gives what has just been made to who asked for it.
func (t *Tree) own(dir int, base string, owner Owner) error {
	if owner.Uid == t.uid && owner.Gid == t.gid {
		return nil
	}
	return unix.Fchownat(dir, base, int(owner.Uid), int(owner.Gid), unix.AT_SYMLINK_NOFOLLOW)
}

// Mkdir makes a directory. Over a deleted one of the shard it is opaque.
func (t *Tree) Mkdir(parent Ino, name string, mode uint32, owner Owner) (Attr, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, at, hidden, err := t.vacant(parent, name)
	if err != nil {
		return Attr{}, err
	}
	u := t.o.upper
	build := func(dir int, base string) error {
		if err := unix.Mkdirat(dir, base, mode&0o7777); err != nil {
			return err
		}
		return t.own(dir, base, owner)
	}
	if hidden {
		err = t.mkdirOpaque(at, build)
	} else {
		err = u.at(at, build)
	}
	if err != nil {
		return Attr{}, err
	}
	n := t.newNode(p, name)
	n.dir, n.children, n.lookups = true, map[string]*node{}, 1
	return t.attr(n.ino)
}

// mkdirOpaque makes an opaque directory in the place of a whiteout.
func (t *Tree) mkdirOpaque(at string, build func(dir int, base string) error) error {
	u := t.o.upper
	work, temp := int(u.work.Fd()), u.temp()
	if err := build(work, temp); err != nil {
		return err
	}
	err := u.setMarkTemp(temp, "opaque", "y")
	if err == nil {
		err = u.at(at, func(dir int, base string) error {
			return unix.Renameat2(work, temp, dir, base, unix.RENAME_EXCHANGE)
		})
	}
	if err != nil {
		unix.Unlinkat(work, temp, unix.AT_REMOVEDIR)
		return err
	}
	return unix.Unlinkat(work, temp, 0)
}

// Link gives a file another name.
func (t *Tree) Link(ino, parent Ino, name string) (Attr, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.copyUp(ino, true)
	if err != nil {
		return Attr{}, err
	}
	p, at, hidden, err := t.vacant(parent, name)
	if err != nil {
		return Attr{}, err
	}
	from, err := t.path(ino)
	if err != nil {
		return Attr{}, err
	}
	u := t.o.upper
	link1 := func(dir int, base string) error {
		return u.at(from, func(fromDir int, fromBase string) error {
			return unix.Linkat(fromDir, fromBase, dir, base, 0)
		})
	}
	if hidden {
		temp := u.temp()
		if err = link1(int(u.work.Fd()), temp); err == nil {
			err = u.publish(temp, at, 0)
		}
	} else {
		err = u.at(at, link1)
	}
	if err != nil {
		return Attr{}, err
	}
	n.links = append(n.links, link{parent, name})
	n.lookups++
	p.children[name] = n
	return t.attr(ino)
}

// Unlink deletes a name of a file.
func (t *Tree) Unlink(parent Ino, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.lookup(parent, name)
	if err != nil {
		return err
	}
	if t.isDir(ino) {
		return unix.EISDIR
	}
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
	t.unlinked(p, name)
	return nil
}

// inUpper readies a directory for changes and returns where a name in it lies in the upper tree.
func (t *Tree) inUpper(parent Ino, name string) (*node, string, error) {
	p, err := t.copyUp(parent, false)
	if err != nil {
		return nil, "", err
	}
	at, err := t.path(parent)
	return p, path.Join(at, name), err
}

// unlinked takes note that a name is gone.
func (t *Tree) unlinked(parent *node, name string) {
	n := parent.children[name]
	if n == nil {
		return
	}
	delete(parent.children, name)
	for i, l := range n.links {
		if l == (link{parent.ino, name}) {
			n.links = append(n.links[:i], n.links[i+1:]...)
			break
		}
	}
	if len(n.links) == 0 && t.byInode[n.inode] == n {
		delete(t.byInode, n.inode) // the file system may give the number to another file
	}
	t.release(n)
}

func (t *Tree) isDir(ino Ino) bool {
	if n := t.nodes[ino]; n != nil {
		return n.dir
	}
	return ino.kind() == kindDir
}

// Rmdir deletes an empty directory.
func (t *Tree) Rmdir(parent Ino, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.lookup(parent, name)
	if err != nil {
		return err
	}
	if err := t.checkEmpty(ino); err != nil {
		return err
	}
	p, at, err := t.inUpper(parent, name)
	if err != nil {
		return err
	}
	inBase := t.inBase(parent, name)
	if t.nodes[ino] == nil {
		err = t.o.upper.whiteout(at) // only the shard has it
	} else {
		err = t.o.upper.discard(at, inBase)
	}
	if err != nil {
		return err
	}
	t.unlinked(p, name)
	return nil
}

// checkEmpty returns an error for what is no directory or has entries.
func (t *Tree) checkEmpty(ino Ino) error {
	if !t.isDir(ino) {
		return unix.ENOTDIR
	}
	l := &Listing{t: t, ino: ino}
	if err := l.read(); err != nil {
		return err
	}
	empty := true
	base, over := t.base(ino)
	l.entries(base, over, 0, func(DirEntry) bool {
		empty = false
		return false
	})
	if !empty {
		return unix.ENOTEMPTY
	}
	return nil
}

// Rename moves a file or directory, in place of another one unless noReplace is set.
func (t *Tree) Rename(oldParent Ino, oldName string, newParent Ino, newName string, noReplace bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.lookup(oldParent, oldName)
	if err != nil {
		return err
	}
	target, err := t.lookup(newParent, newName)
	if err != nil && err != unix.ENOENT {
		return err
	}
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
	}
	n, err := t.copyUp(ino, true)
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
	t.unlinked(newDir, newName)
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
func (t *Tree) markMoved(n *node, at string, newParent Ino, newName string) error {
	if n.over {
		return t.o.upper.setMark(at, "redirect", "/"+t.o.Shard.Index.Path(n.base))
	}
	if t.inBase(newParent, newName) {
		return t.o.upper.setMark(at, "opaque", "y")
	}
	return nil
}

// readerAt is a function that reads at an offset.
type readerAt func(p []byte, off int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

func setTimes(dir int, base string, mtime time.Time) error {
	ts, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(dir, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
