package fusefs

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/view"
)

// largeView is the number of directories up to which a listing includes their attributes, which saves one request for
// each directory that is then opened. A listing of that many takes 60 ms instead of 10.
const largeView = 1 << 14

// cached is how long the kernel may cache a reply: in effect until the file system is unmounted.
const cached = 365 * 24 * 3600 // seconds

// replier fills in replies to the kernel.
type replier struct {
	fuse.RawFileSystem // replies ENOSYS
	log                func(error)
}

func newReplier(log func(error)) replier { return replier{fuse.NewDefaultRawFileSystem(), log} }

func (replier) String() string { return "shardfs" }

// status converts an error to the status of a reply. No other function does. The status is ESTALE for a shard that was
// changed, ENOENT for one that is not there, EACCES for one that may not be read any more, and EIO for a damaged shard and
// for an error without an errno, which is a bug; the log gets the cause.
func (r *replier) status(err error) fuse.Status {
	var errno syscall.Errno
	switch {
	case err == nil:
		return fuse.OK
	case errors.As(err, &errno) && !errors.Is(err, view.ErrShard):
		return fuse.Status(errno)
	}
	r.log(err)
	switch {
	case errors.Is(err, store.ErrChanged):
		return fuse.Status(syscall.ESTALE)
	case errors.Is(err, fs.ErrNotExist):
		return fuse.ENOENT
	case errors.Is(err, fs.ErrPermission):
		return fuse.EACCES
	}
	return fuse.EIO
}

func (r *replier) fillAttr(a *view.Attr, out *fuse.Attr) {
	*out = fuse.Attr{
		Ino: uint64(a.Ino), Size: uint64(a.Size), Blocks: uint64(a.Blocks), Mode: a.Mode, Nlink: a.Nlink,
		Owner: fuse.Owner{Uid: a.Uid, Gid: a.Gid}, Rdev: a.Rdev, Blksize: a.BlkSize,
	}
	out.SetTimes(&a.Atime, &a.Mtime, &a.Ctime)
}

// entry replies with a file or directory, which the kernel may cache.
func (r *replier) entry(a view.Attr, err error, out *fuse.EntryOut) fuse.Status {
	if err != nil {
		return r.status(err)
	}
	out.NodeId, out.Generation = uint64(a.Ino), 1
	out.EntryValid, out.AttrValid = cached, cached
	r.fillAttr(&a, &out.Attr)
	return fuse.OK
}

func (r *replier) attr(a view.Attr, err error, out *fuse.AttrOut) fuse.Status {
	if err != nil {
		return r.status(err)
	}
	out.AttrValid = cached
	r.fillAttr(&a, &out.Attr)
	return fuse.OK
}

// missing replies that a name does not exist, which the kernel may cache as well.
func (r *replier) missing(out *fuse.EntryOut) fuse.Status {
	out.EntryValid = cached // and no NodeId
	return fuse.OK
}

// dots adds the entries "." and "..", which are at the offsets 0 and 1 of a directory, starting at in.Offset. All other
// entries start at 2. It returns false if the buffer is full.
func dots(in *fuse.ReadIn, add func(fuse.DirEntry) bool) bool {
	for i, name := range []string{".", ".."} {
		e := fuse.DirEntry{Name: name, Ino: in.NodeId, Mode: syscall.S_IFDIR, Off: uint64(i) + 1}
		if in.Offset <= uint64(i) && !add(e) {
			return false
		}
	}
	return true
}

// fuseEntry converts an entry for go-fuse.
func fuseEntry(e view.DirEntry) fuse.DirEntry {
	return fuse.DirEntry{Name: e.Name, Ino: uint64(e.Ino), Mode: e.Mode, Off: e.Next}
}

// afterDots converts an offset of a listing to one that counts from the first entry after "." and "..".
func afterDots(offset uint64) uint64 {
	if offset <= 2 {
		return 0
	}
	return offset
}

// onceEvery returns a function that passes each error to log at most once per duration d, so that repeated reads of a
// damaged shard do not fill the disk with messages.
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
