package overlay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Open opens a file. Write says that it may be changed. Each Open is ended by a Release.
func (t *Tree) Open(ino view.Ino, write, truncate bool) error {
	var c *copied
	if write && !truncate {
		var err error
		if c, err = t.copyOut(ino); err != nil {
			return err
		}
		defer t.discard(c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if write || truncate {
		if _, err := t.copyUp(ino, c); err != nil {
			return err
		}
	}
	n := t.nodes[ino]
	if n == nil {
		t.opens[ino]++
		return nil
	}
	if err := t.use(n, write || truncate); err != nil {
		return err
	}
	if truncate {
		if err := ignoringEINTR(func() error { return unix.Ftruncate(int(n.file.Fd()), 0) }); err != nil {
			t.unuse(n)
			return err
		}
	}
	return nil
}

// use counts one more use of a node's file and opens it for the first. One file serves all who have it open, so it is
// open for writing wherever its mode lets us: the kernel has asked for the permissions of each of them.
func (t *Tree) use(n *node, write bool) error {
	if n.dir {
		return unix.EISDIR
	}
	if n.file == nil || write && n.readOnly {
		at, err := t.path(n.ino)
		if err != nil {
			return err
		}
		fd, err := t.o.upper.open(at, unix.O_RDWR, 0)
		readOnly := err == unix.EACCES && !write
		if readOnly {
			fd, err = t.o.upper.open(at, unix.O_RDONLY, 0)
		}
		if err != nil {
			return err
		}
		if n.file == nil {
			n.file = os.NewFile(uintptr(fd), at)
		} else if err := errors.Join(unix.Dup3(fd, int(n.file.Fd()), unix.O_CLOEXEC), unix.Close(fd)); err != nil {
			return err
		}
		n.readOnly = readOnly
	}
	n.opens++
	return nil
}

// unuse takes back one use of a node's file.
func (t *Tree) unuse(n *node) {
	if n.opens--; n.opens > 0 {
		return
	}
	if n.file != nil {
		n.file.Close()
		n.file = nil
	}
	t.release(n)
}

// Release ends an Open.
func (t *Tree) Release(ino view.Ino) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[ino]
	if n == nil {
		if t.opens[ino]--; t.opens[ino] <= 0 {
			delete(t.opens, ino)
		}
		return
	}
	t.unuse(n)
}

// File returns the file of the upper tree that an open file is; nil where it is the shard's.
func (t *Tree) File(ino view.Ino) *os.File {
	f, err := t.changed(ino)
	if err != nil {
		return nil
	}
	return f
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
func (t *Tree) WriteAt(ino view.Ino, p []byte, off int64) (int, error) {
	f, err := t.changed(ino)
	if err != nil {
		return 0, err
	}
	return f.WriteAt(p, off)
}

// Sync makes the content of an open file durable.
func (t *Tree) Sync(ino view.Ino) error {
	f, err := t.changed(ino)
	if err == unix.EBADF {
		return nil // the shard's own
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), t.note())
}

// SyncDir makes the names in a directory durable.
func (t *Tree) SyncDir(ino view.Ino) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[ino]
	if n == nil || len(n.links) == 0 && ino != view.Root {
		return nil // the shard's own, or gone and only still open
	}
	at, err := t.path(ino)
	if err != nil {
		return err
	}
	fd, err := t.o.upper.open(at, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return errors.Join(ignoringEINTR(func() error { return unix.Fsync(fd) }), t.note())
}

// Allocate is fallocate(2) on a file that is open for writing.
func (t *Tree) Allocate(ino view.Ino, mode uint32, off, size int64) error {
	f, err := t.changed(ino)
	if err != nil {
		return err
	}
	return ignoringEINTR(func() error { return unix.Fallocate(int(f.Fd()), mode, off, size) })
}

// changed returns the open file of a file that is not as the shard has it.
func (t *Tree) changed(ino view.Ino) (*os.File, error) {
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
func (t *Tree) SetAttr(ino view.Ino, change Change) (view.Attr, error) {
	var c *copied
	if change.Size == nil || *change.Size > 0 {
		var err error
		if c, err = t.copyOut(ino); err != nil {
			return view.Attr{}, err
		}
		defer t.discard(c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.gone[ino]; a != nil { // only somebody who is in it still knows
		change.apply(a)
		return *a, nil
	}
	n, err := t.copyUp(ino, c)
	if err != nil {
		return view.Attr{}, err
	}
	if err := t.setAttr(n, change); err != nil {
		return view.Attr{}, err
	}
	return t.attr(ino)
}

func (t *Tree) setAttr(n *node, c Change) error {
	if n.file == nil && n.last != nil {
		c.apply(n.last)
		return nil
	}
	fd := -1
	if n.file != nil {
		fd = int(n.file.Fd())
	} else {
		at, err := t.path(n.ino)
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
		err := ignoringEINTR(func() error {
			if n.file != nil && !n.readOnly {
				return unix.Ftruncate(fd, *c.Size) // also where the file's mode does not allow it any more
			}
			return unix.Truncate(self, *c.Size)
		})
		if err != nil {
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

// apply applies a change to what is told of something that is gone and only still open.
func (c Change) apply(l *view.Attr) {
	if c.Mode != nil {
		l.Mode = l.Mode&unix.S_IFMT | *c.Mode&0o7777
	}
	if c.Uid != nil {
		l.Uid = *c.Uid
	}
	if c.Gid != nil {
		l.Gid = *c.Gid
	}
	for at, to := range map[*time.Time]*unix.Timespec{&l.Atime: c.Atime, &l.Mtime: c.Mtime} {
		switch {
		case to == nil || to.Nsec == unix.UTIME_OMIT:
		case to.Nsec == unix.UTIME_NOW:
			*at = time.Now()
		default:
			*at = time.Unix(to.Unix())
		}
	}
}

// copied is a copy of a file of the shard in the work directory, under a temporary name.
type copied struct {
	file  *os.File // nil once it is a node's
	temp  string
	inode uint64
}

// copyOut copies a file of the shard that has not been changed, for copyUp to put in place; nil for anything else. It is
// called without the lock, as the file may be large, and what it returns is given to discard in the end.
func (t *Tree) copyOut(ino view.Ino) (*copied, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n != nil || ino.IsDir() || ino.IsOther() {
		return nil, nil
	}
	return t.copyFile(ino, true)
}

// copyFile makes a copy of a file of the shard, or an empty file in its likeness.
func (t *Tree) copyFile(ino view.Ino, content bool) (*copied, error) {
	a := t.view.Attr(ino)
	c := &copied{temp: t.o.upper.temp()}
	work := int(t.o.upper.work.Fd())
	fd, err := unix.Openat(work, c.temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, a.Mode&0o7777)
	if err != nil {
		return nil, err
	}
	c.file = os.NewFile(uintptr(fd), c.temp)
	if content {
		_, err = io.Copy(c.file, io.NewSectionReader(readerAt(func(p []byte, off int64) (int, error) {
			return t.view.ReadAt(ino, p, off)
		}), 0, a.Size))
	}
	var st unix.Stat_t
	if err == nil {
		err = setTimes(work, c.temp, a.Mtime)
	}
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		t.discard(c)
		return nil, err
	}
	c.inode = st.Ino
	return c, nil
}

// discard removes a copy that is not in its place.
func (t *Tree) discard(c *copied) {
	if c == nil {
		return
	}
	if c.temp != "" {
		unix.Unlinkat(int(t.o.upper.work.Fd()), c.temp, 0)
	}
	if c.file != nil {
		c.file.Close()
	}
}

// copyUp gives a file or directory a node and a place in the upper tree, if it has none yet. A file is what c holds, or
// empty where c is nil. Under its name it is whole or not there.
func (t *Tree) copyUp(ino view.Ino, c *copied) (*node, error) {
	if n := t.nodes[ino]; n != nil {
		return n, nil
	}
	n, err := t.copyToItsPlace(ino, c)
	if err == unix.ESTALE && t.opens[ino] > 0 {
		return t.copyForUsers(ino, c)
	}
	return n, err
}

// copyForUsers gives a node to a file of the shard that has lost its name and is still open: a copy without one.
func (t *Tree) copyForUsers(ino view.Ino, c *copied) (*node, error) {
	if c == nil {
		var err error
		if c, err = t.copyFile(ino, false); err != nil {
			return nil, err
		}
	}
	if err := unix.Unlinkat(int(t.o.upper.work.Fd()), c.temp, 0); err != nil {
		return nil, err
	}
	n := &node{ino: ino, inode: c.inode, opens: t.opens[ino], file: c.file}
	c.temp, c.file = "", nil
	delete(t.opens, ino)
	t.nodes[ino] = n
	return n, nil
}

func (t *Tree) copyToItsPlace(ino view.Ino, c *copied) (*node, error) {
	l, err := t.location(ino)
	if err != nil {
		return nil, err
	}
	parent, err := t.copyUp(l.parent, nil)
	if err != nil {
		return nil, err
	}
	at, err := t.path(l.parent)
	if err != nil {
		return nil, err
	}
	at = path.Join(at, l.name)
	if ino.IsDir() {
		return t.copyUpDir(ino, parent, l.name, at)
	}
	if c == nil {
		if c, err = t.copyFile(ino, false); err != nil {
			return nil, err
		}
		defer t.discard(c)
	}
	err = t.o.upper.publish(c.temp, at, unix.RENAME_NOREPLACE)
	if err == unix.EEXIST {
		return nil, unix.ESTALE // the file was deleted or replaced, and is only still open
	}
	if err != nil {
		return nil, err
	}
	c.temp = ""
	n := &node{ino: ino, links: []link{l}, inode: c.inode}
	if opens := t.opens[ino]; opens > 0 {
		n.opens, n.file, c.file = opens, c.file, nil
		delete(t.opens, ino)
	}
	t.nodes[ino], t.byInode[n.inode], parent.children[l.name] = n, n, n
	return n, nil
}

func (t *Tree) copyUpDir(ino view.Ino, parent *node, name, at string) (*node, error) {
	a := t.view.Attr(ino)
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

// Owner is who asks for a new file or directory.
type Owner struct{ Uid, Gid uint32 }

// Create makes a file that is not there, open as by Open.
func (t *Tree) Create(parent view.Ino, name string, mode uint32, owner Owner) (view.Attr, error) {
	var f *os.File
	a, err := t.create(parent, name, mode, owner, func(dir int, base string, mode uint32) error {
		fd, err := unix.Openat(dir, base, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		if err == nil {
			f = os.NewFile(uintptr(fd), base)
		}
		return err
	}, func(n *node) { n.file, n.opens = f, 1 })
	if err != nil && f != nil {
		f.Close()
	}
	return a, err
}

// Mknod makes a file, FIFO, socket or device. A whiteout is refused, as by overlayfs.
func (t *Tree) Mknod(parent view.Ino, name string, mode, device uint32, owner Owner) (view.Attr, error) {
	if mode&unix.S_IFMT == unix.S_IFCHR && device == 0 {
		return view.Attr{}, unix.EPERM
	}
	return t.create(parent, name, mode, owner, func(dir int, base string, mode uint32) error {
		return unix.Mknodat(dir, base, mode, int(device))
	}, func(*node) {})
}

// Symlink makes a symbolic link.
func (t *Tree) Symlink(parent view.Ino, name, target string, owner Owner) (view.Attr, error) {
	return t.create(parent, name, 0, owner, func(dir int, base string, _ uint32) error {
		return unix.Symlinkat(target, dir, base)
	}, func(*node) {})
}

// Mkdir makes a directory. Over a deleted one of the shard it is opaque.
func (t *Tree) Mkdir(parent view.Ino, name string, mode uint32, owner Owner) (view.Attr, error) {
	return t.create(parent, name, mode&0o7777|unix.S_IFDIR, owner, func(dir int, base string, mode uint32) error {
		return unix.Mkdirat(dir, base, mode&0o7777)
	}, func(n *node) { n.dir, n.children = true, make(map[string]*node) })
}

// create makes something under a name that is free: build makes it, and note completes its node.
func (t *Tree) create(parent view.Ino, name string, mode uint32, owner Owner,
	build func(dir int, base string, mode uint32) error, note func(*node)) (view.Attr, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, err := t.vacant(parent, name)
	if err != nil {
		return view.Attr{}, err
	}
	isDir := mode&unix.S_IFMT == unix.S_IFDIR
	if v.dir.Mode&unix.S_ISGID != 0 {
		owner.Gid = v.dir.Gid
		if isDir {
			mode |= unix.S_ISGID
		}
	}
	var st unix.Stat_t
	err = t.put(v, isDir, func(dir int, base string) error {
		if err := build(dir, base, mode); err != nil {
			return err
		}
		err := t.own(dir, base, mode, owner)
		if err == nil {
			err = unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
		}
		if err != nil {
			remove(dir, base, isDir)
		}
		return err
	})
	if err != nil {
		return view.Attr{}, err
	}
	n := t.newNode(v.parent, name)
	n.lookups = 1
	note(n)
	if !isDir {
		n.inode, t.byInode[st.Ino] = st.Ino, n
	}
	return attrOf(n.ino, &st), nil
}

// vacancy is a name that is free, in a directory that can be changed.
type vacancy struct {
	parent *node
	dir    unix.Stat_t // of the directory
	at     string
	hidden bool // a whiteout lies there
}

// vacant readies a directory for something new under a name that must be free.
func (t *Tree) vacant(parent view.Ino, name string) (v vacancy, err error) {
	if v.parent, err = t.copyUp(parent, nil); err != nil {
		return v, err
	}
	if !v.parent.dir {
		return v, unix.ENOTDIR
	}
	if v.at, err = t.path(parent); err != nil {
		return v, err
	}
	v.at = path.Join(v.at, name)
	var st unix.Stat_t
	err = t.o.upper.at(v.at, func(dir int, base string) error {
		if err := unix.Fstat(dir, &v.dir); err != nil {
			return err
		}
		return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	switch {
	case err == unix.ENOENT && t.inBase(parent, name), err == nil && !isWhiteout(&st):
		return v, unix.EEXIST
	case err != nil && err != unix.ENOENT:
		return v, err
	}
	v.hidden = err == nil
	return v, nil
}

// put lets build make something in a vacancy. In the place of a whiteout it appears at once, so that the shard's own is
// never seen again in between. A directory is opaque there.
func (t *Tree) put(v vacancy, isDir bool, build func(dir int, base string) error) error {
	u := t.o.upper
	if !v.hidden {
		return u.at(v.at, build)
	}
	work, temp := int(u.work.Fd()), u.temp()
	err := build(work, temp)
	if err != nil {
		return err
	}
	if !isDir {
		if err = u.publish(temp, v.at, 0); err != nil {
			remove(work, temp, false)
		}
		return err
	}
	if err = u.setTempXattr(temp, "opaque", "y"); err == nil {
		err = u.at(v.at, func(dir int, base string) error {
			return unix.Renameat2(work, temp, dir, base, unix.RENAME_EXCHANGE)
		})
	}
	remove(work, temp, err != nil) // the directory, or the whiteout that changed places with it
	return err
}

// own gives what has just been made to who asked for it.
func (t *Tree) own(dir int, base string, mode uint32, owner Owner) error {
	if owner.Uid != t.view.Uid || owner.Gid != t.view.Gid {
		if err := unix.Fchownat(dir, base, int(owner.Uid), int(owner.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if mode&(unix.S_ISUID|unix.S_ISGID) == 0 {
		return nil
	}
	return unix.Fchmodat(dir, base, mode&0o7777, 0) // a new owner, or mkdir, has taken these bits away
}

// Link gives a file another name.
func (t *Tree) Link(ino, parent view.Ino, name string) (view.Attr, error) {
	c, err := t.copyOut(ino)
	if err != nil {
		return view.Attr{}, err
	}
	defer t.discard(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.copyUp(ino, c)
	if err != nil {
		return view.Attr{}, err
	}
	v, err := t.vacant(parent, name)
	if err != nil {
		return view.Attr{}, err
	}
	from, err := t.path(ino)
	if err != nil {
		return view.Attr{}, err
	}
	err = t.put(v, false, func(dir int, base string) error {
		return t.o.upper.at(from, func(fromDir int, fromBase string) error {
			return unix.Linkat(fromDir, fromBase, dir, base, 0)
		})
	})
	if err != nil {
		return view.Attr{}, err
	}
	n.links = append(n.links, link{parent, name})
	n.lookups++
	v.parent.children[name] = n
	return t.attr(ino)
}

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

// inUpper readies a directory for changes and returns where a name in it lies in the upper tree.
func (t *Tree) inUpper(parent view.Ino, name string) (*node, string, error) {
	p, err := t.copyUp(parent, nil)
	if err != nil {
		return nil, "", err
	}
	at, err := t.path(parent)
	return p, path.Join(at, name), err
}

// last returns what Stat shall tell of something that is about to lose a name, should it be the last: who has it open or
// works in it can still ask. It is nil for what has no node.
func (t *Tree) last(ino view.Ino) *view.Attr {
	if t.nodes[ino] == nil {
		return nil
	}
	a, err := t.attr(ino)
	if err != nil {
		return nil
	}
	if a.Nlink--; t.isDir(ino) {
		a.Nlink = 0
	}
	return &a
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

func (t *Tree) isDir(ino view.Ino) bool {
	if n := t.nodes[ino]; n != nil {
		return n.dir
	}
	return ino.IsDir()
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
