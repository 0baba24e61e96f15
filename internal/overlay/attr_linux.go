package overlay

import (
	"fmt"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Stat returns the attributes of a file or directory.
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
	case n.lastAttr != nil:
		return *n.lastAttr, nil
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

// attrOf returns the attributes of a file or directory of the upper tree.
func attrOf(ino view.Ino, st *unix.Stat_t) view.Attr {
	return view.Attr{
		Ino: ino, Mode: st.Mode, Size: st.Size, Blocks: st.Blocks, Nlink: uint32(st.Nlink), Uid: st.Uid, Gid: st.Gid,
		Rdev: uint32(st.Rdev), BlkSize: uint32(st.Blksize),
		Atime: time.Unix(st.Atim.Unix()), Mtime: time.Unix(st.Mtim.Unix()), Ctime: time.Unix(st.Ctim.Unix()),
	}
}

// hidden reports whether a file or directory without a node has lost its name to a whiteout or to another file.
func (t *Tree) hidden(ino view.Ino) bool {
	if ino == view.Root {
		return false
	}
	l, err := t.location(ino)
	if err != nil || t.nodes[l.parent] == nil && t.gone[l.parent] == nil {
		return false // an unchanged directory hides nothing
	}
	at, err := t.path(l.parent)
	if err == nil {
		_, err = t.o.upper.stat(path.Join(at, l.name))
	}
	return err != unix.ENOENT
}

// lastAttr returns the attributes of a file or directory that is about to lose a name. If the name is its last, Stat
// returns these, because a process may have it open or as its working directory. It returns nil for a file without a
// node.
func (t *Tree) lastAttr(ino view.Ino) *view.Attr {
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

// Change has the attributes that SetAttr sets. A nil field leaves an attribute unchanged.
type Change struct {
	Size  *int64
	Mode  *uint32
	Uid   *uint32
	Gid   *uint32
	Atime *unix.Timespec
	Mtime *unix.Timespec
}

// SetAttr changes attributes of a file or directory and returns them all.
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
	if a := t.gone[ino]; a != nil { // only processes with this working directory know it
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

// setAttr sets attributes of a node, in the upper tree or, once its last name is deleted, in memory.
func (t *Tree) setAttr(n *node, c Change) error {
	switch {
	case n.file != nil && !n.readOnly:
		fd := int(n.file.Fd())
		if c.Size != nil { // through the open file, because its mode may no longer allow writing
			if err := ignoringEINTR(func() error { return unix.Ftruncate(fd, *c.Size) }); err != nil {
				return err
			}
			c.Size = nil
		}
		return c.set(fd)
	case n.file != nil:
		return c.set(int(n.file.Fd()))
	case n.lastAttr != nil:
		c.apply(n.lastAttr)
		return nil
	}
	at, err := t.path(n.ino)
	if err != nil {
		return err
	}
	fd, err := t.o.upper.open(at, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return c.set(fd)
}

// set sets attributes of a file or directory of the upper tree.
func (c Change) set(fd int) error {
	// With the name in /proc, every call accepts a descriptor, even one opened with O_PATH.
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
	if c.Atime == nil && c.Mtime == nil {
		return nil
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if c.Atime != nil {
		times[0] = *c.Atime
	}
	if c.Mtime != nil {
		times[1] = *c.Mtime
	}
	return unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
}

// apply applies a change to the attributes of a deleted file that is still open.
func (c Change) apply(a *view.Attr) {
	if c.Mode != nil {
		a.Mode = a.Mode&unix.S_IFMT | *c.Mode&0o7777
	}
	if c.Uid != nil {
		a.Uid = *c.Uid
	}
	if c.Gid != nil {
		a.Gid = *c.Gid
	}
	for at, to := range map[*time.Time]*unix.Timespec{&a.Atime: c.Atime, &a.Mtime: c.Mtime} {
		switch {
		case to == nil || to.Nsec == unix.UTIME_OMIT:
		case to.Nsec == unix.UTIME_NOW:
			*at = time.Now()
		default:
			*at = time.Unix(to.Unix())
		}
	}
}

// Readlink returns the target of a symbolic link.
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

// Statfs describes the file system of the changes.
func (t *Tree) Statfs() (st syscall.Statfs_t, err error) {
	err = syscall.Fstatfs(int(t.o.upper.dir.Fd()), &st)
	return st, err
}
