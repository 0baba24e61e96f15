package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/view"
)

// serve mounts shards and serves them until they are unmounted or the process is told to end.
func (o *mountOptions) serve(ctx context.Context, u *ui.UI, names []string, mountpoint string) (err error) {
	signal.Ignore(unix.SIGHUP) // a mount outlives the terminal that it was made at
	parent, err := newParentLink()
	if err != nil {
		return err
	}
	dir := o.scratch
	if dir == "" {
		mounts.Sweep(os.TempDir(), false, func(err error) { u.Detail("%v", err) })
		dir = os.TempDir()
	}
	create := scratch.Create
	if o.scratch == "" {
		create = scratch.CreateTemp
	}
	scratch, err := create(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.leave(u, scratch)) }()
	places, err := mounts.ClearOthers(scratch)
	for _, place := range places {
		u.Warn("%s: the server of this mount was gone; it is unmounted", place)
	}
	if err != nil {
		return err
	}
	// The kernel has applied the umask of whoever makes a file, and ours must not come on top.
	unix.Umask(0)
	if len(names) > 1 {
		return o.serveMany(ctx, u, parent, scratch, names, mountpoint)
	}
	return o.serveOne(ctx, u, parent, scratch, names[0], mountpoint)
}

// serveOne serves a shard, with the changes in the scratch directory.
func (o *mountOptions) serveOne(ctx context.Context, u *ui.UI, parent *parentLink, scratch *scratch.Scratch, name, mountpoint string) error {
	opened, err := scratch.UseIndex(o.from.options())
	if err != nil {
		return err
	}
	changed, err := scratch.HasChanges()
	if err != nil {
		return err
	}
	mounted := o.fuseOptions(scratch)
	opened.Growing, opened.Patience, opened.SpoolDir = mounted.ReadOnly && !changed, 200*time.Millisecond, scratch.Dir
	sh, err := source.OpenShard(ctx, u, name, opened)
	if err != nil {
		return err
	}
	var indexing sync.WaitGroup
	defer indexing.Wait()
	defer sh.Close()
	if err := scratch.Bind(sh, mountpoint); err != nil {
		return err
	}
	mounted.Log = func(err error) {
		if errors.Is(err, index.ErrStale) {
			sh.Forget() // now: the next mount need not wait for the end of this one to be right
		}
		u.Say("error", fmt.Sprintf("%s: %v", sh.Name, err))
	}
	var server mountServer
	if opened.Growing {
		server, err = fusefs.MountReadOnly(view.One(sh), mountpoint, mounted)
	} else {
		var end func() error
		if server, end, err = o.mountChanges(u, parent, scratch, sh, mountpoint, mounted); end != nil {
			defer end()
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", mountpoint, err)
	}
	return attend(ctx, parent, scratch, server, func() {
		if sh.Growing() {
			indexing.Go(func() { source.WarnWhenIndexed(u, sh) })
		}
	})
}

// mountChanges mounts a shard with its changes, by overlayfs if that is wanted or can be had. End, if not nil, is called when
// the server has ended.
func (o *mountOptions) mountChanges(u *ui.UI, parent *parentLink, scratch *scratch.Scratch, sh *shard.Shard, mountpoint string, mounted fusefs.Options) (
	server mountServer, end func() error, err error) {
	may := overlayfs.MayMount()
	if o.overlay == "kernel" && !may {
		return nil, nil, fmt.Errorf("--overlay kernel: %w", unix.EPERM)
	}
	if may && o.overlay != "fuse" {
		server, err := mountKernel(parent, scratch, sh, mountpoint, mounted)
		if err == nil {
			return server, nil, nil
		}
		if o.overlay == "kernel" {
			return nil, nil, err
		}
		u.Detail("%s: not by overlayfs: %v", mountpoint, err)
	}
	over, err := overlay.New(scratch, sh)
	if err != nil {
		return nil, nil, err
	}
	// overlayfs may have closed it to others, which is for the mount's options here.
	if err := os.Chmod(scratch.Upper(), 0o755); err != nil {
		return nil, over.Close, err
	}
	tree, err := overlay.NewTree(over)
	if err != nil {
		return nil, over.Close, fmt.Errorf("%s: %w", scratch.Dir, err)
	}
	end = func() error { return errors.Join(tree.Close(), over.Close()) }
	server, err = fusefs.MountWritable(tree, mountpoint, mounted)
	return server, end, err
}

// mountKernel mounts a shard with its changes by overlayfs.
func mountKernel(parent *parentLink, scratch *scratch.Scratch, sh *shard.Shard, mountpoint string, mounted fusefs.Options) (mountServer, error) {
	userXattr, err := overlay.PrepareUpper(scratch)
	if err != nil {
		return nil, err
	}
	flags, err := mounted.Flags()
	if err != nil {
		return nil, err
	}
	// The base is for overlayfs alone, which lets in whom it wants to.
	base := fusefs.Options{Source: mounted.Source, Log: mounted.Log}
	base.AllowOther = true
	return overlayfs.MountOver(func(dir string) (*fusefs.Server, error) {
		return fusefs.MountReadOnly(view.One(sh), dir, base)
	}, mountpoint, overlayfs.Options{
		Lower: scratch.Lower(), Upper: scratch.Upper(), Work: scratch.Work(), Source: mounts.Source(scratch.Dir), Flags: flags,
		AllowOther: mounted.AllowOther, UserXattr: userXattr, Volatile: parent.kind == "run",
	})
}

// mountServer serves a mount.
type mountServer interface {
	Unmount() error
	Wait()
}

// serveMany serves many shards, which cannot be changed.
func (o *mountOptions) serveMany(ctx context.Context, u *ui.UI, parent *parentLink, scratch *scratch.Scratch, names []string, mountpoint string) error {
	wd, err := os.Getwd() // which this process leaves
	if err != nil {
		return err
	}
	set, err := view.Many(names, func(ctx context.Context, name string) (*shard.Shard, error) {
		opened := o.from.options()
		opened.SpoolDir, opened.CacheBytes = scratch.Dir, 4<<20 // some thirty are open at a time
		path, err := store.Path(name)
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(path) {
			path = wd + "/" + path // a .. behind a link must stay where it is
		}
		sh, err := shard.Open(ctx, path, opened)
		if err != nil {
			return nil, err
		}
		sh.Name = store.Redact(name)
		return sh, nil
	})
	if err != nil {
		return err
	}
	defer set.Close()
	if err := scratch.BindMany(mountpoint); err != nil {
		return err
	}
	mounted := o.fuseOptions(scratch)
	mounted.Log = func(err error) { u.Say("error", err.Error()) }
	server, err := fusefs.MountReadOnly(set, mountpoint, mounted)
	if err != nil {
		return fmt.Errorf("%s: %w", mountpoint, err)
	}
	return attend(ctx, parent, scratch, server, func() {})
}

// attend says that a mount is ready, and waits for its end or brings it about.
func attend(ctx context.Context, parent *parentLink, scratch *scratch.Scratch, server mountServer, ready func()) error {
	done := make(chan struct{})
	go func() {
		server.Wait()
		close(done)
	}()
	if err := parent.ready(scratch.LogFile()); err != nil {
		err = errors.Join(err, server.Unmount())
		<-done
		return err
	}
	ready()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	case <-parent.gone():
	}
	err := server.Unmount()
	if errors.Is(err, os.ErrNotExist) { // a directory above it was renamed
		err = mounts.DetachAll(scratch.Dir)
	}
	if err != nil {
		return err // without a way to end the mount, the end of the server is
	}
	if parent.kind == "run" {
		// The run is over, but what a command has put into another session may hold a file for as long as it likes. It is not
		// waited for; and nothing is closed first, because it may be reading just now.
		time.AfterFunc(strayGrace, func() { os.Exit(exitOK) })
	}
	<-done
	return nil
}

// strayGrace is how long a run's mount is served on to those who still use it when the run is over.
const strayGrace = 500 * time.Millisecond

// leave gives up a scratch directory and removes it if nothing in it is worth keeping.
func (o *mountOptions) leave(u *ui.UI, s *scratch.Scratch) error {
	defer s.Close()
	if !s.Temporary() {
		return nil
	}
	s, err := scratch.Open(s.Dir) // pack may have noted since that it has what there is
	if err != nil {
		return nil // removed by umount
	}
	kept, err := mounts.RemovePacked(context.Background(), s)
	if kept {
		u.Warn("%s: there are changes that were not packed: mount with --scratch %[1]s to go on with them", s.Dir)
	}
	return err
}

// fuseOptions returns the options to mount with.
func (o *mountOptions) fuseOptions(scratch *scratch.Scratch) fusefs.Options {
	mounted := fusefs.Options{MountOptions: fusefs.ParseMountOptions(o.options), Source: scratch.Dir}
	mounted.ReadOnly = mounted.ReadOnly || o.readOnly
	return mounted
}
