package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/view"
)

// A base is a file system that can be mounted at a directory.
type base interface {
	// Mount mounts at an empty directory and returns when the mount is ready for use. After an error nothing is
	// mounted.
	Mount(dir string) (liveMount, error)
}

// liveMount is a mount made by a base. If it has a method ServedByKernel() bool that returns true, the mount needs no
// process. Such a base is used only as the lower layer of overlayfs, where neither its Unmount nor its Wait is called.
type liveMount interface {
	// Unmount unmounts it: at once if it is not in use, else lazily, so that it disappears from its directory and ends
	// with its last user. It is no error if it is not mounted any more.
	Unmount() error
	// Wait returns when the mount has ended and has no users left.
	Wait()
}

// servedByKernel reports whether a mount needs no process.
func servedByKernel(m liveMount) bool {
	k, ok := m.(interface{ ServedByKernel() bool })
	return ok && k.ServedByKernel()
}

// fuseBase serves shards by FUSE, from this process.
type fuseBase struct {
	set     *view.Set
	options fusefs.Options
}

// Mount implements base.
func (b *fuseBase) Mount(dir string) (liveMount, error) {
	s, err := fusefs.MountReadOnly(b.set, dir, b.options)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// overlayfsBase shows a base and the changes over it by the kernel's overlayfs. Changed files are read and written
// without this process.
type overlayfsBase struct {
	lower   base
	scratch string // its directory
	options overlayfs.Options
}

// newOverlayfsBase returns a base with changes over it, which are in a scratch directory that this process holds. If private
// is set, the changes will be discarded.
func newOverlayfsBase(s *scratch.Scratch, lower base, o fusefs.Options, private bool) (base, error) {
	userXattr, err := overlay.PrepareUpper(s)
	if err != nil {
		return nil, err
	}
	flags, err := o.Flags()
	if err != nil {
		return nil, err
	}
	return &overlayfsBase{lower, s.Dir, overlayfs.Options{
		Lower: s.Lower(), Upper: s.Upper(), Work: s.Work(), Source: mounts.Source(s.Dir), Flags: flags,
		AllowOther: o.AllowOther, UserXattr: userXattr, Volatile: private,
	}}, nil
}

// newShownBase returns the base for shards without changes, of which no index is growing, that are shown by overlayfs: it
// answers requests that FUSE would have to answer each time, such as the ioctl with which Python, before 3.14, asks at
// each open whether the file is a terminal.
func newShownBase(s *scratch.Scratch, set *view.Set, o fusefs.Options) (base, error) {
	o.ReadOnly = true
	flags, err := o.Flags()
	if err == nil {
		err = os.Mkdir(s.Lower(), 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	lower := fusefs.Options{Source: o.Source, Log: o.Log, Layers: 0o700}
	if o.AllowOther {
		lower.Layers = 0o755
	}
	lower.AllowOther = true
	return &overlayfsBase{&fuseBase{set, lower}, s.Dir, overlayfs.Options{
		Lower: s.Lower(), Layers: [2]string{fusefs.ShownLayer, fusefs.EmptyLayer},
		Source: mounts.Source(s.Dir), Flags: flags,
	}}, nil
}

// Mount implements base.
func (b *overlayfsBase) Mount(dir string) (liveMount, error) {
	m := &overlayfsMount{scratch: b.scratch}
	var err error
	m.Stack, err = overlayfs.MountOver(func(dir string) (liveMount, error) {
		lower, err := b.lower.Mount(dir)
		m.byKernel = err == nil && servedByKernel(lower)
		return lower, err
	}, dir, b.options)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// overlayfsMount is the mount of an overlayfsBase.
type overlayfsMount struct {
	*overlayfs.Stack
	scratch  string
	byKernel bool // the kernel serves the lower layer too
}

// ServedByKernel reports whether the mount needs no process.
func (m *overlayfsMount) ServedByKernel() bool { return m.byKernel }

// Wait implements liveMount.
func (m *overlayfsMount) Wait() {
	if m.byKernel && mounts.AwaitEnd(m.scratch) == nil {
		return
	}
	m.Stack.Wait()
}

// changesBase serves a shard with its changes by FUSE, from this process.
type changesBase struct {
	scratch *scratch.Scratch
	shard   *shard.Shard
	options fusefs.Options
}

// Mount implements base.
func (b *changesBase) Mount(dir string) (liveMount, error) {
	over, err := overlay.New(b.scratch, b.shard)
	if err != nil {
		return nil, err
	}
	// Overlayfs may have closed it to other users. Here the mount options decide who has access.
	if err := scratch.Chmod(b.scratch.Upper(), 0o755); err != nil {
		return nil, errors.Join(err, over.Close())
	}
	tree, err := overlay.NewTree(over)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", b.scratch.Dir, err), over.Close())
	}
	s, err := fusefs.MountWritable(tree, dir, b.options)
	if err != nil {
		return nil, errors.Join(err, tree.Close(), over.Close())
	}
	return &changesMount{s, tree, over}, nil
}

// changesMount is the mount of a changesBase.
type changesMount struct {
	*fusefs.Server
	tree *overlay.Tree
	over *overlay.Overlay
}

// Wait implements liveMount, and closes the changes.
func (m *changesMount) Wait() {
	m.Server.Wait()
	m.tree.Close()
	m.over.Close()
}
