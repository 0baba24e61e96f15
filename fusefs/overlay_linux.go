package fusefs

import (
	"errors"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/view"
)

// changing serves a writable tree.
type changing struct {
	replier
	tree  *overlay.Tree
	files passthrough

	mu       sync.Mutex // guards the fields below
	listings map[uint64]*overlay.Listing
	next     uint64
}

func newChanging(tree *overlay.Tree, log func(error)) *changing {
	return &changing{
		replier: newReplier(log), tree: tree, listings: make(map[uint64]*overlay.Listing),
		files: passthrough{opened: make(map[view.Ino]*backing)},
	}
}

// Init is called before the first request.
func (f *changing) Init(server *fuse.Server) { f.files.server = server }

func ino(h *fuse.InHeader) view.Ino { return view.Ino(h.NodeId) }

func owner(h *fuse.InHeader) overlay.Owner {
	return overlay.Owner{Uid: h.Caller.Uid, Gid: h.Caller.Gid}
}

func (f *changing) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Lookup(ino(in), name)
	if err == unix.ENOENT && f.tree.Err() == nil {
		return f.missing(out)
	}
	return f.entry(a, errors.Join(err, f.tree.Err()), out)
}

func (f *changing) Forget(nodeid, n uint64) { f.tree.Forget(view.Ino(nodeid), n) }

func (f *changing) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	a, err := f.tree.Stat(ino(&in.InHeader))
	return f.attr(a, errors.Join(err, f.tree.Err()), out)
}

func (f *changing) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	var c overlay.Change
	if size, ok := in.GetSize(); ok {
		n := int64(size)
		c.Size = &n
	}
	if mode, ok := in.GetMode(); ok {
		c.Mode = &mode
	}
	if uid, ok := in.GetUID(); ok {
		c.Uid = &uid
	}
	if gid, ok := in.GetGID(); ok {
		c.Gid = &gid
	}
	c.Atime = timeToSet(in.Valid, fuse.FATTR_ATIME, fuse.FATTR_ATIME_NOW, in.Atime, in.Atimensec)
	c.Mtime = timeToSet(in.Valid, fuse.FATTR_MTIME, fuse.FATTR_MTIME_NOW, in.Mtime, in.Mtimensec)
	a, err := f.tree.SetAttr(ino(&in.InHeader), c)
	return f.attr(a, err, out)
}

func timeToSet(valid, set, now uint32, seconds uint64, nanos uint32) *unix.Timespec {
	switch {
	case valid&now != 0:
		return &unix.Timespec{Nsec: unix.UTIME_NOW}
	case valid&set != 0:
		return &unix.Timespec{Sec: int64(seconds), Nsec: int64(nanos)}
	}
	return nil
}

func (f *changing) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Mknod(ino(&in.InHeader), name, in.Mode, in.Rdev, owner(&in.InHeader))
	return f.entry(a, err, out)
}

func (f *changing) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Mkdir(ino(&in.InHeader), name, in.Mode, owner(&in.InHeader))
	return f.entry(a, err, out)
}

func (f *changing) Symlink(_ <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Symlink(ino(in), name, target, owner(in))
	return f.entry(a, err, out)
}

func (f *changing) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Link(view.Ino(in.Oldnodeid), ino(&in.InHeader), name)
	return f.entry(a, err, out)
}

func (f *changing) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.status(f.tree.Unlink(ino(in), name))
}

func (f *changing) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.status(f.tree.Rmdir(ino(in), name))
}

func (f *changing) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	if in.Flags&^unix.RENAME_NOREPLACE != 0 {
		return fuse.EINVAL
	}
	return f.status(f.tree.Rename(ino(&in.InHeader), oldName, view.Ino(in.Newdir), newName, in.Flags != 0))
}

func (f *changing) Readlink(_ <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	target, err := f.tree.Readlink(ino(in))
	return []byte(target), f.status(err)
}

func (f *changing) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	a, err := f.tree.Create(ino(&in.InHeader), name, in.Mode, owner(&in.InHeader))
	if err == nil {
		f.files.open(a.Ino, f.tree.File(a.Ino), &out.OpenOut)
	}
	return f.entry(a, err, &out.EntryOut)
}

func (f *changing) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	write := in.Flags&unix.O_ACCMODE != unix.O_RDONLY
	file := ino(&in.InHeader)
	err := f.tree.Open(file, write, in.Flags&unix.O_TRUNC != 0)
	if err == nil {
		f.files.open(file, f.tree.File(file), out)
	}
	return f.status(err)
}

func (f *changing) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	f.files.release(ino(&in.InHeader))
	f.tree.Release(ino(&in.InHeader))
}

func (f *changing) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, err := f.tree.ReadAt(interrupt{cancel}, ino(&in.InHeader), buf, int64(in.Offset))
	if err != nil {
		return nil, f.status(err) // go-fuse takes any result for a success
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (f *changing) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, err := f.tree.WriteAt(ino(&in.InHeader), data, int64(in.Offset))
	if n > 0 {
		err = nil // the caller writes the rest again, and then gets the error
	}
	return uint32(n), f.status(err)
}

// Flush is not needed: writes are not buffered. After one ENOSYS the kernel sends no more Flush requests.
func (f *changing) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

func (f *changing) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.status(f.tree.Sync(ino(&in.InHeader)))
}

func (f *changing) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return f.status(f.tree.Allocate(ino(&in.InHeader), in.Mode, int64(in.Offset), int64(in.Length)))
}

func (f *changing) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	off, err := f.tree.Seek(ino(&in.InHeader), int64(in.Offset), int(in.Whence))
	out.Offset = uint64(off)
	return f.status(err)
}

func (f *changing) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	st, err := f.tree.Statfs()
	out.FromStatfsT(&st)
	return f.status(err)
}

func (f *changing) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	f.listings[f.next] = f.tree.List(ino(&in.InHeader))
	out.Fh = f.next
	return fuse.OK
}

func (f *changing) ReleaseDir(in *fuse.ReleaseIn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listings, in.Fh)
}

func (f *changing) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.status(f.tree.SyncDir(ino(&in.InHeader)))
}

func (f *changing) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(e fuse.DirEntry) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus lists a directory with the attributes of its entries, unless it has many subdirectories; see
// base.ReadDirPlus.
func (f *changing) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	dir := ino(&in.InHeader)
	return f.list(in, func(e fuse.DirEntry) bool {
		var a view.Attr
		known := false
		plus := f.tree.Dirs() <= largeView || f.tree.IsSample(dir)
		if plus && e.Name != "." && e.Name != ".." {
			var err error
			a, err = f.tree.Lookup(dir, e.Name)
			if known = err == nil; known {
				e.Ino = uint64(a.Ino)
			}
		}
		entry := out.AddDirLookupEntry(e)
		switch {
		case entry != nil && known:
			f.entry(a, nil, entry)
		case known:
			f.tree.Forget(a.Ino, 1)
		}
		return entry != nil
	})
}

// list adds entries until add returns false, because the buffer is full.
func (f *changing) list(in *fuse.ReadIn, add func(fuse.DirEntry) bool) fuse.Status {
	f.mu.Lock()
	l := f.listings[in.Fh]
	f.mu.Unlock()
	if l == nil {
		return fuse.EBADF
	}
	if !dots(in, add) {
		return fuse.OK
	}
	err := l.Entries(afterDots(in.Offset), func(e view.DirEntry) bool {
		return add(fuseEntry(e))
	})
	return f.status(errors.Join(err, f.tree.Err()))
}
