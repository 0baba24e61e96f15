package fusefs

import (
	"context"
	"errors"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// base serves shards, which never change. It keeps no state: node numbers are those of the view. The kernel caches each
// reply for the life of the mount, and sends no requests to open or close files.
type base struct {
	replier
	set    *view.Set
	memory mapTrimmer
	walk   walk
	ahead  *sequence // nil: nothing is read ahead
}

func newBase(set *view.Set, log func(error)) *base {
	return &base{replier: newReplier(log), set: set, memory: mapTrimmer{trim: set.DropPages}}
}

// Lookup waits for a missing name while the shard is still being indexed. It does not wait in the directory of a
// sample, where only a nested sample, which is rare, could add the name.
func (b *base) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	b.memory.onRequest()
	dir := view.Ino(in.NodeId)
	if b.set.IsTop(dir) {
		if a, ok := b.set.Part(name); ok {
			return b.entry(a, nil, out)
		}
		return b.missing(out)
	}
	e, err := b.set.Use(interrupt{cancel}, dir)
	if err != nil {
		return b.status(err)
	}
	defer e.Release()
	var a view.Attr
	var growing bool
	lookErr := e.View.Wait(interrupt{cancel}, func() bool {
		growing = e.View.Growing()
		a, err = e.View.Lookup(e.Ino, name)
		return err != unix.ENOENT || growing && e.View.IsSample(e.Ino)
	})
	switch {
	case lookErr != nil:
		return b.status(lookErr)
	case err != unix.ENOENT:
		b.walked(&e, a.Ino)
		a.Ino = e.Global(a.Ino)
		return b.entry(a, err, out)
	case growing:
		return fuse.OK // no NodeId and no timeout: the name may still appear, so the kernel must not cache the reply
	}
	return b.missing(out)
}

func (b *base) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	a, err := b.stat(cancel, view.Ino(in.NodeId))
	return b.attr(a, err, out)
}

func (b *base) stat(cancel <-chan struct{}, ino view.Ino) (a view.Attr, err error) {
	if b.set.IsTop(ino) {
		return b.set.Top(), nil
	}
	if a, ok := b.set.PartRoot(ino); ok {
		return a, nil
	}
	e, err := b.set.Use(interrupt{cancel}, ino)
	if err != nil {
		return a, err
	}
	defer e.Release()
	err = e.View.Wait(context.Background(), func() bool {
		a = e.View.Attr(e.Ino)
		return true
	})
	a.Ino = ino
	return a, err
}

// Open is not needed. After one ENOSYS the kernel opens files without a request, and keeps cached pages.
func (b *base) Open(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status { return fuse.ENOSYS }

// OpenDir is not needed either. After the first ENOSYS the kernel caches listings, so OpenDir returns it only when the
// index is complete. Before, it opens the shard, because programs take ENOENT of a listing for its end.
func (b *base) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	if !b.set.Grows() {
		return fuse.ENOSYS
	}
	if b.set.IsTop(view.Ino(in.NodeId)) {
		return fuse.OK
	}
	e, err := b.set.Use(interrupt{cancel}, view.Ino(in.NodeId))
	if err != nil {
		return b.status(err)
	}
	e.Release()
	return fuse.OK
}

// Flush is not needed: there are no writes.
func (b *base) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

func (b *base) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	b.memory.onRequest()
	e, err := b.set.Use(interrupt{cancel}, view.Ino(in.NodeId))
	if err != nil {
		return nil, b.status(err)
	}
	defer e.Release()
	n, err := e.View.ReadAt(interrupt{cancel}, e.Ino, buf, int64(in.Offset))
	if err != nil {
		return nil, b.status(err) // go-fuse treats any non-nil result as success
	}
	if b.ahead != nil && in.Offset == 0 && !b.ahead.to.Is(in.Pid) {
		b.ahead.read(e.Ino, in.Pid)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Lseek finds holes and data. For a shard without holes the kernel need not ask: after one ENOSYS it does not.
func (b *base) Lseek(cancel <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	e, err := b.set.Use(interrupt{cancel}, view.Ino(in.NodeId))
	if err != nil {
		return b.status(err)
	}
	defer e.Release()
	var off int64
	var seekErr error
	err = e.View.Wait(interrupt{cancel}, func() bool {
		if only := b.set.Only(); only != nil && !only.Growing() && !only.Shard.Index.HasHoles() {
			seekErr = unix.ENOSYS
		} else {
			off, seekErr = e.View.Seek(e.Ino, int64(in.Offset), int(in.Whence))
		}
		return true
	})
	if err == nil {
		err = seekErr
	}
	out.Offset = uint64(off)
	return b.status(err)
}

func (b *base) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return b.list(cancel, in, func(e fuse.DirEntry, _ func() view.Attr) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus lists a directory with the attributes of its entries. It leaves the attributes out if the directory has
// many subdirectories, because each entry with attributes takes 1 KB of kernel memory, unless they are used as they are
// listed.
func (b *base) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return b.list(cancel, in, func(e fuse.DirEntry, attr func() view.Attr) bool {
		entry := out.AddDirLookupEntry(e)
		if entry != nil && attr != nil {
			b.entry(attr(), nil, entry)
		}
		return entry != nil
	})
}

// addEntry adds an entry to a listing, or returns false if the buffer is full. Attr returns the attributes of the
// entry; nil means to list it without.
type addEntry func(e fuse.DirEntry, attr func() view.Attr) bool

// list adds entries until the buffer is full. While the shard is still being indexed, it waits for the first entry, but
// not in the directory of a sample; see Lookup.
func (b *base) list(cancel <-chan struct{}, in *fuse.ReadIn, add addEntry) fuse.Status {
	b.memory.onRequest()
	added := 0
	addDot := func(e fuse.DirEntry) bool {
		added++
		return add(e, nil)
	}
	dir := view.Ino(in.NodeId)
	if b.set.IsTop(dir) {
		if dots(in, addDot) {
			b.set.Parts(max(in.Offset, 2)-2, func(e view.DirEntry) bool {
				e.Next += 2 // after "." and ".."
				return add(fuseEntry(e), func() view.Attr {
					a, _ := b.set.PartRoot(e.Ino)
					return a
				})
			})
		}
		return fuse.OK
	}
	e, err := b.set.Use(interrupt{cancel}, dir)
	if status := b.status(err); status == fuse.ENOENT {
		return fuse.EIO // see OpenDir
	} else if err != nil {
		return status
	}
	defer e.Release()
	d, ok := e.Ino.Dir()
	if !ok {
		return fuse.ENOTDIR
	}
	lookErr := e.View.Wait(interrupt{cancel}, func() bool {
		if !dots(in, addDot) {
			return true
		}
		plus := e.View.Dirs() <= largeView || b.listed(&e, in.Offset)
		full := !e.View.Entries(d, afterDots(in.Offset), func(entry view.DirEntry) bool {
			ino := entry.Ino // number in its shard
			entry.Ino = e.Global(ino)
			var attr func() view.Attr
			if plus {
				attr = func() view.Attr {
					a := e.View.Attr(ino)
					a.Ino = e.Global(a.Ino)
					return a
				}
			}
			ok := add(fuseEntry(entry), attr)
			if ok {
				added++
			}
			return ok
		})
		return full || added > 0 || e.View.IsSample(e.Ino)
	})
	if lookErr != nil && added > 0 && errors.Is(lookErr, unix.EINTR) {
		return fuse.OK
	}
	return b.status(lookErr)
}

// StatFs describes a full file system of the shard's uncompressed size, because nothing can be written.
func (b *base) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	*out = fuse.StatfsOut{Bsize: 4096, Frsize: 4096, NameLen: unix.NAME_MAX}
	if only := b.set.Only(); only != nil {
		out.Blocks = uint64(only.Shard.Plain()+4095) / 4096
	}
	return fuse.OK
}
