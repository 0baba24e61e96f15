package fusefs

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/shardfs/shardfs/internal/view"
)

// largeView is the number of directories up to which a listing brings their attributes along, which spares whoever goes on
// into them a request each. A listing of that many takes 60 ms instead of 10.
const largeView = 1 << 14

// cached is for how long the kernel may keep what it is told: in effect for as long as it is mounted.
const cached = 365 * 24 * 3600 // seconds

// replier puts what it is told into replies to the kernel.
type replier struct {
	fuse.RawFileSystem // answers that a request is not implemented
	log                func(error)
}

func newReplier(log func(error)) replier { return replier{fuse.NewDefaultRawFileSystem(), log} }

func (replier) String() string { return "shardfs" }

// status turns an error into what the kernel is told. It is the only place that does. A fault in the shard, and an error
// that is no errno, which is a fault of ours, is EIO to the caller, and the log gets the cause.
func (r *replier) status(err error) fuse.Status {
	var errno syscall.Errno
	switch {
	case err == nil:
		return fuse.OK
	case errors.As(err, &errno) && !errors.Is(err, view.ErrShard):
		return fuse.Status(errno)
	}
	r.log(err)
	return fuse.EIO
}

func (r *replier) fillAttr(a *view.Attr, out *fuse.Attr) {
	*out = fuse.Attr{
		Ino: uint64(a.Ino), Size: uint64(a.Size), Blocks: uint64(a.Blocks), Mode: a.Mode, Nlink: a.Nlink,
		Owner: fuse.Owner{Uid: a.Uid, Gid: a.Gid}, Rdev: a.Rdev, Blksize: a.BlkSize,
	}
	out.SetTimes(&a.Atime, &a.Mtime, &a.Ctime)
}

// entry answers with a file or directory that the kernel may keep.
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

// missing answers that there is no such name, which the kernel may keep too.
func (r *replier) missing(out *fuse.EntryOut) fuse.Status {
	out.EntryValid = cached // and no NodeId
	return fuse.OK
}

// dots adds the entries "." and ".." of a directory from a place on, which are at places 0 and 1; what else is in it starts
// at 2. It returns false where there was no more room.
func dots(in *fuse.ReadIn, add func(fuse.DirEntry) bool) bool {
	for i, name := range []string{".", ".."} {
		if in.Offset <= uint64(i) && !add(fuse.DirEntry{Name: name, Ino: in.NodeId, Mode: syscall.S_IFDIR, Off: uint64(i) + 1}) {
			return false
		}
	}
	return true
}

// behindDots returns where a listing goes on behind the dots.
func behindDots(offset uint64) uint64 {
	if offset <= 2 {
		return 0
	}
	return offset
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
