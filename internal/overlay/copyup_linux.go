package overlay

import (
	"context"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
	"github.com/shardfs/shardfs/pack"
)

// copied is a copy of a file of the shard under a temporary name in the work directory.
type copied struct {
	file  *os.File // nil once a node owns it
	temp  string   // "" once the file was moved to its place
	inode uint64
}

// copyOut copies an unchanged file of the shard for copyUp; for anything else it returns nil. It is called without the
// lock, because the file may be large. The caller must discard the copy in the end.
func (t *Tree) copyOut(ino view.Ino) (*copied, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n != nil || ino.IsDir() || ino.IsOther() {
		return nil, nil
	}
	return t.copyFile(ino, true)
}

// copyBuffer is how many bytes of a file are copied at once.
const copyBuffer = 256 << 10

// copyFile copies a file of the shard; if content is false, only its attributes.
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
		content := readerAt(func(p []byte, off int64) (int, error) {
			return t.view.ReadAt(context.Background(), ino, p, off)
		})
		data := func(off int64) (index.Extent, bool) { return t.view.Data(ino, off) }
		err = pack.CopyData(c.file, content, a.Size, data, make([]byte, min(a.Size, copyBuffer)))
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

// discard removes a copy, unless copyUp has moved it to its place.
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

// copyUp gives a file or directory a node and a place in the upper tree, if it has none. The file is the copy c, or
// empty if c is nil. It appears under its name only when it is complete.
func (t *Tree) copyUp(ino view.Ino, c *copied) (*node, error) {
	if n := t.nodes[ino]; n != nil {
		return n, nil
	}
	n, err := t.copyUpAt(ino, c)
	if err == unix.ESTALE && t.opens[ino] > 0 {
		return t.copyUpUnlinked(ino, c)
	}
	return n, err
}

// copyUpUnlinked is copyUp for a deleted file of the shard that is still open: its copy has no name.
func (t *Tree) copyUpUnlinked(ino view.Ino, c *copied) (*node, error) {
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

// copyUpAt is copyUp for a file or directory that still has a name. The error is ESTALE if it has lost the name
// meanwhile.
func (t *Tree) copyUpAt(ino view.Ino, c *copied) (*node, error) {
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
		return nil, unix.ESTALE // the file was deleted or replaced
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

// copyUpDir creates a directory of the shard in the upper tree, at the path at.
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

// inUpper copies up a directory. It returns the directory's node, and the path in the upper tree of a name in it.
func (t *Tree) inUpper(parent view.Ino, name string) (*node, string, error) {
	p, err := t.copyUp(parent, nil)
	if err != nil {
		return nil, "", err
	}
	at, err := t.path(parent)
	return p, path.Join(at, name), err
}

// readerAt is a function as an io.ReaderAt.
type readerAt func(p []byte, off int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

func setTimes(dir int, base string, mtime time.Time) error {
	ts, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(dir, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}
