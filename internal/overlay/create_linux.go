package overlay

import (
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

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
