package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/view"
)

// A Base shows what it was made of at a directory.
type Base interface {
	// Mount mounts at a directory, which is empty, and returns when the mount is ready for use. After an error
	// nothing is mounted.
	Mount(ctx context.Context, dir string) (Mounted, error)
}

// Mounted is what a Base has mounted. If it has a method ServedByKernel() bool that returns true, the mount needs no
// process. Such a base is mounted below overlayfs only, and then neither its Unmount nor its Wait is called.
type Mounted interface {
	// Unmount unmounts it: at once if it is not in use, and else lazily, so that it is gone from its directory and
	// ends with its last user. If it is not mounted any more, that is no error.
	Unmount() error
	// Wait returns when it has ended and no user is left.
	Wait()
}

// servedByKernel reports whether a mount needs no process.
func servedByKernel(m Mounted) bool {
	k, ok := m.(interface{ ServedByKernel() bool })
	return ok && k.ServedByKernel()
}

// newBase returns the base for shards without changes. This is the place to choose between several.
func newBase(set *view.Set, o fusefs.Options) Base { return &fuseBase{set, o} }

// fuseBase shows shards by FUSE, from this process.
type fuseBase struct {
	set     *view.Set
	options fusefs.Options
}

// Mount implements Base.
func (b *fuseBase) Mount(_ context.Context, dir string) (Mounted, error) {
	s, err := fusefs.MountReadOnly(b.set, dir, b.options)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// overlayfsBase shows a base and changes over it by the kernel's overlayfs. What is changed does not pass through
// this process.
type overlayfsBase struct {
	lower   Base
	scratch string // its directory
	options overlayfs.Options
}

// newOverlayfsBase returns the base for a shard with the changes in a scratch directory, which this process holds.
// Private says that they will be thrown away.
func newOverlayfsBase(s *scratch.Scratch, sh *shard.Shard, o fusefs.Options, private bool) (Base, error) {
	userXattr, err := overlay.PrepareUpper(s)
	if err != nil {
		return nil, err
	}
	flags, err := o.Flags()
	if err != nil {
		return nil, err
	}
	// Overlayfs alone uses the base, and lets in whom it may.
	lower := fusefs.Options{Source: o.Source, Log: o.Log}
	lower.AllowOther = true
	return &overlayfsBase{newBase(view.One(sh), lower), s.Dir, overlayfs.Options{
		Lower: s.Lower(), Upper: s.Upper(), Work: s.Work(), Source: mounts.Source(s.Dir), Flags: flags,
		AllowOther: o.AllowOther, UserXattr: userXattr, Volatile: private,
	}}, nil
}

// Mount implements Base.
func (b *overlayfsBase) Mount(ctx context.Context, dir string) (Mounted, error) {
	m := &overlayfsMount{scratch: b.scratch}
	var err error
	m.Stack, err = overlayfs.MountOver(func(dir string) (Mounted, error) {
		lower, err := b.lower.Mount(ctx, dir)
		m.byKernel = err == nil && servedByKernel(lower)
		return lower, err
	}, dir, b.options)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// overlayfsMount is what an overlayfsBase has mounted.
type overlayfsMount struct {
	*overlayfs.Stack
	scratch  string
	byKernel bool // also the lower layer
}

// ServedByKernel reports whether the mount needs no process.
func (m *overlayfsMount) ServedByKernel() bool { return m.byKernel }

// Wait implements Mounted.
func (m *overlayfsMount) Wait() {
	if m.byKernel && mounts.AwaitEnd(m.scratch) == nil {
		return
	}
	m.Stack.Wait()
}

// changesBase shows a shard with its changes by FUSE, from this process.
type changesBase struct {
	scratch *scratch.Scratch
	shard   *shard.Shard
	options fusefs.Options
}

// Mount implements Base.
func (b *changesBase) Mount(_ context.Context, dir string) (Mounted, error) {
	over, err := overlay.New(b.scratch, b.shard)
	if err != nil {
		return nil, err
	}
	// Overlayfs may have closed it to other users. Here the options of the mount decide on them.
	if err := os.Chmod(b.scratch.Upper(), 0o755); err != nil {
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

// changesMount is what a changesBase has mounted.
type changesMount struct {
	*fusefs.Server
	tree *overlay.Tree
	over *overlay.Overlay
}

// Wait implements Mounted, and closes the changes.
func (m *changesMount) Wait() {
	m.Server.Wait()
	m.tree.Close()
	m.over.Close()
}
