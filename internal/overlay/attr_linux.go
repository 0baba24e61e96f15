package overlay

import (
	"fmt"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

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

// Statfs describes the file system that changes are written to.
func (t *Tree) Statfs() (st syscall.Statfs_t, err error) {
	err = syscall.Fstatfs(int(t.o.upper.dir.Fd()), &st)
	return st, err
}
