package server

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/view"
)

// choice is a base that a mount may get.
type choice struct {
	name string
	make func() (base, error)
}

// mountFirst mounts the first choice that can be mounted; verbose output says why those before cannot. The error is that
// of the last one.
func (s *server) mountFirst(choices []choice) (m liveMount, err error) {
	defer withProcessors(processorsToMount)()
	for i, c := range choices {
		b, err := c.make()
		if err == nil {
			m, err = b.Mount(s.Mountpoint)
		}
		if err == nil || i == len(choices)-1 {
			return m, err
		}
		s.ui.Detail("%s: %s is not available: %v", s.Mountpoint, c.name, err)
	}
	return nil, errNoBase
}

// errNoBase means that the options exclude each other.
var errNoBase = errors.New("nothing can show this with these options")

// mountChanges mounts a shard with its changes: by overlayfs over EROFS or FUSE or, if overlayfs is not available or not
// wanted, by FUSE alone.
func (s *server) mountChanges(sh *shard.Shard, o fusefs.Options) (liveMount, error) {
	lower := fusefs.Options{Source: o.Source, Log: o.Log}
	lower.AllowOther = true // only overlayfs uses the base, and decides which users have access
	over := func(lower base, err error) (base, error) {
		if err == nil && !overlayfs.MayMount() {
			err = fmt.Errorf("overlayfs: %w", unix.EPERM)
		}
		if err != nil {
			return nil, err
		}
		return newOverlayfsBase(s.scratch, lower, o, s.Private)
	}
	var choices []choice
	if s.Changes != FUSE && s.Base != BaseFUSE {
		choices = append(choices, choice{"overlayfs over EROFS", func() (base, error) {
			return over(s.newKernelBase(view.One(sh), lower))
		}})
	}
	if s.Changes != FUSE && s.Base != BaseKernel {
		choices = append(choices, choice{"overlayfs", func() (base, error) {
			return over(&fuseBase{view.One(sh), lower}, nil)
		}})
	}
	if s.Changes != Kernel && s.Base != BaseKernel {
		choices = append(choices, choice{"FUSE", func() (base, error) { return &changesBase{s.scratch, sh, o}, nil }})
	}
	return s.mountFirst(choices)
}

// mountShown mounts shards without changes: by EROFS, by overlayfs over FUSE, or by FUSE alone.
func (s *server) mountShown(set *view.Set, o fusefs.Options) (liveMount, error) {
	var choices []choice
	if s.Base == BaseKernel || s.Base != BaseFUSE && s.Changes != FUSE {
		choices = append(choices, choice{"EROFS", func() (base, error) { return s.newKernelBase(set, o) }})
	}
	if s.Base != BaseKernel && s.Changes != FUSE && overlayfs.MayMount() && suitsOverlayfs(set) {
		choices = append(choices, choice{"overlayfs", func() (base, error) { return newShownBase(s.scratch, set, o) }})
	}
	if s.Base != BaseKernel {
		several := runtime.GOMAXPROCS(0) > 1 // before mountFirst
		choices = append(choices, choice{"FUSE", func() (base, error) {
			return newAheadBase(fuseBase{set, o}, several), nil
		}})
	}
	return s.mountFirst(choices)
}

// suitsOverlayfs reports whether overlayfs shows shards without changes as well as FUSE does: it would keep answers about
// names that are not indexed yet, and the whole listing of the root before its first entry is seen.
func suitsOverlayfs(set *view.Set) bool {
	only := set.Only()
	return !set.Grows() && (only == nil || only.Dirs() <= maxListed)
}

// maxListed is the number of directories of a shard whose root overlayfs lists in some milliseconds.
const maxListed = 1 << 14

// processorsToMount is for how many threads the Go runtime must have room while this process mounts. With two, a request of
// the kernel is noticed up to 10 ms later: one is given to the thread that waits for the mount, one to a thread that waits for
// further requests, and the runtime takes them back no sooner.
const processorsToMount = 4

// withProcessors lets at least n goroutines run at a time, until the function that it returns is called.
func withProcessors(n int) (back func()) {
	before := runtime.GOMAXPROCS(0)
	if before >= n {
		return func() {}
	}
	runtime.GOMAXPROCS(n)
	return func() { runtime.GOMAXPROCS(before) }
}
