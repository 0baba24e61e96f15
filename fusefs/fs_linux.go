package fusefs

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlay"
)

// largeView is the number of directories up to which a listing brings their attributes along, which spares whoever goes on
// into them a request each. A listing of that many takes 60 ms instead of 10.
const largeView = 1 << 14

// cached is for how long the kernel may keep what it is told: in effect for as long as it is mounted.
const cached = 24 * 3600 // seconds

// filesystem translates the kernel's requests.
type filesystem struct {
	fuse.RawFileSystem // answers that a request is not implemented
	tree               *overlay.Tree
	readOnly           bool
	log                func(error)

	mu       sync.Mutex // guards the fields below
	listings map[uint64]*overlay.Listing
	next     uint64
}

func (f *filesystem) String() string { return "shardfs" }

// status turns an error into what the kernel is told. It is the only place that does. A fault in the shard, and an error
// that is no errno, which is a fault of ours, is EIO to the caller, and the log gets the cause.
func (f *filesystem) status(err error) fuse.Status {
	var errno syscall.Errno
	switch {
	case err == nil:
		return fuse.OK
	case errors.As(err, &errno) && !errors.Is(err, overlay.ErrShard):
		return fuse.Status(errno)
	}
	f.log(err)
	return fuse.EIO
}

func (f *filesystem) fillAttr(a *overlay.Attr, out *fuse.Attr) {
	*out = fuse.Attr{
		Ino: uint64(a.Ino), Size: uint64(a.Size), Blocks: uint64(a.Blocks), Mode: a.Mode, Nlink: a.Nlink,
		Owner: fuse.Owner{Uid: a.Uid, Gid: a.Gid}, Rdev: a.Rdev, Blksize: a.BlkSize,
	}
	out.SetTimes(&a.Atime, &a.Mtime, &a.Ctime)
}

// entry answers with a file or directory that the tree now counts as known to the kernel.
func (f *filesystem) entry(a overlay.Attr, err error, out *fuse.EntryOut) fuse.Status {
	if err != nil {
		return f.status(err)
	}
	out.NodeId, out.Generation = uint64(a.Ino), 1
	out.EntryValid, out.AttrValid = cached, cached
	f.fillAttr(&a, &out.Attr)
	return fuse.OK
}

func (f *filesystem) attr(a overlay.Attr, err error, out *fuse.AttrOut) fuse.Status {
	if err != nil {
		return f.status(err)
	}
	out.AttrValid = cached
	f.fillAttr(&a, &out.Attr)
	return fuse.OK
}

func ino(h *fuse.InHeader) overlay.Ino { return overlay.Ino(h.NodeId) }

func owner(h *fuse.InHeader) overlay.Owner {
	return overlay.Owner{Uid: h.Caller.Uid, Gid: h.Caller.Gid}
}

// Lookup waits for a name that is not there as long as the shard is still being indexed, but not in the directory of a
// sample: there it would be that of another one, which hardly ever comes.
func (f *filesystem) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	var a overlay.Attr
	var err error
	var growing bool
	if lookErr := f.tree.Look(cancel, func() bool {
		growing = f.tree.Growing()
		a, err = f.tree.Lookup(ino(in), name)
		return err != unix.ENOENT || growing && f.tree.IsSample(ino(in))
	}); lookErr != nil {
		return f.status(lookErr)
	}
	if err == unix.ENOENT {
		if !growing {
			out.EntryValid = cached // NodeId 0: there is no such name, and that may be kept too
		}
		return fuse.OK
	}
	return f.entry(a, err, out)
}

func (f *filesystem) Forget(nodeid, n uint64) { f.tree.Forget(overlay.Ino(nodeid), n) }

func (f *filesystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	var a overlay.Attr
	var err error
	lookErr := f.tree.Look(nil, func() bool {
		a, err = f.tree.Stat(ino(&in.InHeader))
		return true
	})
	return f.attr(a, errors.Join(err, lookErr), out)
}

func (f *filesystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
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

func (f *filesystem) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Mknod(ino(&in.InHeader), name, in.Mode, owner(&in.InHeader))
	return f.entry(a, err, out)
}

func (f *filesystem) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Mkdir(ino(&in.InHeader), name, in.Mode, owner(&in.InHeader))
	return f.entry(a, err, out)
}

func (f *filesystem) Symlink(_ <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Symlink(ino(in), name, target, owner(in))
	return f.entry(a, err, out)
}

func (f *filesystem) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	a, err := f.tree.Link(overlay.Ino(in.Oldnodeid), ino(&in.InHeader), name)
	return f.entry(a, err, out)
}

func (f *filesystem) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.status(f.tree.Unlink(ino(in), name))
}

func (f *filesystem) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.status(f.tree.Rmdir(ino(in), name))
}

func (f *filesystem) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	if in.Flags&^unix.RENAME_NOREPLACE != 0 {
		return fuse.EINVAL
	}
	return f.status(f.tree.Rename(ino(&in.InHeader), oldName, overlay.Ino(in.Newdir), newName, in.Flags != 0))
}

func (f *filesystem) Readlink(_ <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	target, err := f.tree.Readlink(ino(in))
	return []byte(target), f.status(err)
}

func (f *filesystem) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	a, err := f.tree.Create(ino(&in.InHeader), name, in.Mode, owner(&in.InHeader))
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return f.entry(a, err, &out.EntryOut)
}

// Open is not needed where nothing can be changed: told so once, the kernel does not ask any more, and keeps what it has
// read. (A file that can be changed is copied when it is opened, and its copy kept open until the last user is gone.)
func (f *filesystem) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if f.readOnly && !f.tree.Growing() {
		return fuse.ENOSYS
	}
	write := in.Flags&unix.O_ACCMODE != unix.O_RDONLY
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return f.status(f.tree.Open(ino(&in.InHeader), write, in.Flags&unix.O_TRUNC != 0))
}

func (f *filesystem) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	f.tree.Release(ino(&in.InHeader))
}

func (f *filesystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, err := f.tree.ReadAt(ino(&in.InHeader), buf, int64(in.Offset))
	if err != nil {
		return nil, f.status(err) // with a result, the server would take it for a success
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (f *filesystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, err := f.tree.WriteAt(ino(&in.InHeader), data, int64(in.Offset))
	if n > 0 {
		err = nil // what is left comes again, and then its error
	}
	return uint32(n), f.status(err)
}

// Flush is not needed: nothing is held back. Told so once, the kernel does not ask any more when a file is closed.
func (f *filesystem) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

func (f *filesystem) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.status(f.tree.Sync(ino(&in.InHeader)))
}

func (f *filesystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return f.status(f.tree.Allocate(ino(&in.InHeader), in.Mode, int64(in.Offset), int64(in.Length)))
}

func (f *filesystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	st, err := f.tree.Statfs()
	out.FromStatfsT(&st)
	return f.status(err)
}

// OpenDir begins a listing of what may change while it is read; elsewhere it is not needed, as Open.
func (f *filesystem) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	switch {
	case f.readOnly && f.tree.Growing():
		return fuse.OK
	case f.readOnly:
		return fuse.ENOSYS
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	f.listings[f.next] = f.tree.List(ino(&in.InHeader))
	out.Fh = f.next
	return fuse.OK
}

func (f *filesystem) ReleaseDir(in *fuse.ReleaseIn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listings, in.Fh)
}

func (f *filesystem) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.status(f.tree.SyncDir(ino(&in.InHeader)))
}

func (f *filesystem) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(cancel, in, func(e fuse.DirEntry) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus lists a directory with the attributes of its entries. In a large directory that only leads to samples it
// leaves them out: each would take the kernel 1 KB and us a reply, whether anybody asks for it or not.
func (f *filesystem) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	dir := ino(&in.InHeader)
	return f.list(cancel, in, func(e fuse.DirEntry) bool {
		var a overlay.Attr
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

// list adds entries until add reports that there is no more room. As long as the shard is still being indexed, it waits for
// the first of them, though not in the directory of a sample; see Lookup.
func (f *filesystem) list(cancel <-chan struct{}, in *fuse.ReadIn, add func(fuse.DirEntry) bool) fuse.Status {
	var l *overlay.Listing
	if f.readOnly {
		l = f.tree.List(ino(&in.InHeader))
	} else {
		f.mu.Lock()
		l = f.listings[in.Fh]
		f.mu.Unlock()
	}
	if l == nil {
		return fuse.EBADF
	}
	var err error
	lookErr := f.tree.Look(cancel, func() bool {
		added := 0
		full := func(e fuse.DirEntry) bool {
			if !add(e) {
				return true
			}
			added++
			return false
		}
		for i, name := range []string{".", ".."} {
			if in.Offset <= uint64(i) && full(fuse.DirEntry{Name: name, Ino: in.NodeId, Mode: unix.S_IFDIR, Off: uint64(i) + 1}) {
				return true
			}
		}
		from := in.Offset
		if from <= 2 {
			from = 0
		}
		err = l.Entries(from, func(e overlay.DirEntry) bool {
			return !full(fuse.DirEntry{Name: e.Name, Ino: uint64(e.Ino), Mode: e.Mode, Off: e.Next})
		})
		return added > 0 || err != nil || f.tree.IsSample(ino(&in.InHeader))
	})
	return f.status(errors.Join(err, lookErr))
}

// onceEvery returns a log that passes an error on at most once in a while, so that a damaged shard that is read again and
// again does not fill a disk with the news.
func onceEvery(d time.Duration, log func(error)) func(error) {
	var mu sync.Mutex
	last := make(map[string]time.Time)
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		text := err.Error()
		if time.Since(last[text]) < d {
			return
		}
		if len(last) > 1000 {
			clear(last)
		}
		last[text] = time.Now()
		log(err)
	}
}
