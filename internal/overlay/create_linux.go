package overlay

import (
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Owner is the owner of a new file or directory.
type Owner struct{ Uid, Gid uint32 }

// Create makes a file under a free name, and opens it as Open does.
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

// Mknod makes a file, FIFO, socket or device under a free name. Like overlayfs, it refuses to make a whiteout.
func (t *Tree) Mknod(parent view.Ino, name string, mode, device uint32, owner Owner) (view.Attr, error) {
	if mode&unix.S_IFMT == unix.S_IFCHR && device == 0 {
		return view.Attr{}, unix.EPERM
	}
	return t.create(parent, name, mode, owner, func(dir int, base string, mode uint32) error {
		return unix.Mknodat(dir, base, mode, int(device))
	}, func(*node) {})
}

// Symlink makes a symbolic link under a free name.
func (t *Tree) Symlink(parent view.Ino, name, target string, owner Owner) (view.Attr, error) {
	return t.create(parent, name, 0, owner, func(dir int, base string, _ uint32) error {
		return unix.Symlinkat(target, dir, base)
	}, func(*node) {})
}

// Mkdir makes a directory under a free name. If it replaces a deleted directory of the shard, it is opaque.
func (t *Tree) Mkdir(parent view.Ino, name string, mode uint32, owner Owner) (view.Attr, error) {
	return t.create(parent, name, mode&0o7777|unix.S_IFDIR, owner, func(dir int, base string, mode uint32) error {
		return unix.Mkdirat(dir, base, mode&0o7777)
	}, func(n *node) { n.dir, n.children = true, make(map[string]*node) })
}

// create makes a file or directory under a free name. Build makes it with the given mode, and complete fills in its
// node.
func (t *Tree) create(parent view.Ino, name string, mode uint32, owner Owner,
	build func(dir int, base string, mode uint32) error, complete func(*node)) (view.Attr, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	free, err := t.checkFree(parent, name)
	if err != nil {
		return view.Attr{}, err
	}
	isDir := mode&unix.S_IFMT == unix.S_IFDIR
	if free.dir.Mode&unix.S_ISGID != 0 {
		owner.Gid = free.dir.Gid
		if isDir {
			mode |= unix.S_ISGID
		}
	}
	var st unix.Stat_t
	err = t.fill(free, isDir, func(dir int, base string) error {
		if err := build(dir, base, mode); err != nil {
			return err
		}
		err := t.chown(dir, base, mode, owner)
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
	n := t.newNode(free.parent, name)
	n.lookups = 1
	complete(n)
	if !isDir {
		n.inode, t.byInode[st.Ino] = st.Ino, n
	}
	return attrOf(n.ino, &st), nil
}

// freeName is a free name in a directory that was copied up.
type freeName struct {
	parent   *node
	dir      unix.Stat_t // attributes of the directory
	at       string      // path of the name in the upper tree
	whiteout bool        // a whiteout has the name
}

// checkFree copies up a directory in which a name will be created. The error is EEXIST if the name is not free.
func (t *Tree) checkFree(parent view.Ino, name string) (f freeName, err error) {
	if f.parent, err = t.copyUp(parent, nil); err != nil {
		return f, err
	}
	if !f.parent.dir {
		return f, unix.ENOTDIR
	}
	if f.at, err = t.path(parent); err != nil {
		return f, err
	}
	f.at = path.Join(f.at, name)
	var st unix.Stat_t
	err = t.o.upper.at(f.at, func(dir int, base string) error {
		if err := unix.Fstat(dir, &f.dir); err != nil {
			return err
		}
		return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	switch {
	case err == unix.ENOENT && t.inBase(parent, name), err == nil && !isWhiteout(&st):
		return f, unix.EEXIST
	case err != nil && err != unix.ENOENT:
		return f, err
	}
	f.whiteout = err == nil
	return f, nil
}

// fill calls build to make a file or directory under a free name. It replaces a whiteout atomically, so that the
// shard's file of that name never becomes visible. A directory that replaces a whiteout is opaque.
func (t *Tree) fill(f freeName, isDir bool, build func(dir int, base string) error) error {
	u := t.o.upper
	if !f.whiteout {
		return u.at(f.at, build)
	}
	work, temp := int(u.work.Fd()), u.temp()
	err := build(work, temp)
	if err != nil {
		return err
	}
	if !isDir {
		if err = u.publish(temp, f.at, 0); err != nil {
			remove(work, temp, false)
		}
		return err
	}
	if err = u.setTempXattr(temp, "opaque", "y"); err == nil {
		err = u.at(f.at, func(dir int, base string) error {
			return unix.Renameat2(work, temp, dir, base, unix.RENAME_EXCHANGE)
		})
	}
	remove(work, temp, err != nil) // the directory, or the whiteout it was exchanged with
	return err
}

// chown sets the owner and mode of a new file.
func (t *Tree) chown(dir int, base string, mode uint32, owner Owner) error {
	if owner.Uid != t.view.Uid || owner.Gid != t.view.Gid {
		if err := unix.Fchownat(dir, base, int(owner.Uid), int(owner.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if mode&(unix.S_ISUID|unix.S_ISGID) == 0 {
		return nil
	}
	return unix.Fchmodat(dir, base, mode&0o7777, 0) // chown and mkdir clear these bits
}

// Link gives a file another name, which must be free.
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
	free, err := t.checkFree(parent, name)
	if err != nil {
		return view.Attr{}, err
	}
	from, err := t.path(ino)
	if err != nil {
		return view.Attr{}, err
	}
	err = t.fill(free, false, func(dir int, base string) error {
		return t.o.upper.at(from, func(fromDir int, fromBase string) error {
			return unix.Linkat(fromDir, fromBase, dir, base, 0)
		})
	})
	if err != nil {
		return view.Attr{}, err
	}
	n.links = append(n.links, link{parent, name})
	n.lookups++
	free.parent.children[name] = n
	return t.attr(ino)
}
