package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/guard"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/view"
)

// server is the state of one call of Serve.
type server struct {
	Options
	ui      *ui.UI
	store   store.Store
	env     []string // see Program
	link    *Link
	scratch *scratch.Scratch // held
	place   *os.File         // the directory of the mountpoint, wherever it is moved
	stray   bool             // a process may still be reading: this one ends without closing anything
	shared  *shard.Shared
	early   *guard.Guard // see guardEarly; nil if it was taken, or there is none

	// openIndexed opens one of many shards. If it is not indexed, and the user has not asked for EROFS, the error is
	// shard.ErrNotAtHand.
	openIndexed func(ctx context.Context, name string) (*shard.Shard, error)
}

// Program is what a server gets from its program.
type Program struct {
	UI    *ui.UI
	Store store.Store        // that of the shards
	Disk  func() *ahead.Disk // where bytes of shards are kept; see shard.Shared.KeepOn
	Env   []string           // the environment of processes that the server starts
}

// Serve mounts shards and serves them until they are unmounted or ctx ends. Link is the link to the parent process; nil if
// the user started this process. Serve changes the whole process, which must end with it: it
// ignores SIGHUP, because a mount outlives its terminal, sets the umask to 0, and makes the scratch directory the
// working directory.
func Serve(ctx context.Context, p Program, o Options, link *Link) (err error) {
	signal.Ignore(unix.SIGHUP)
	u := p.UI
	s := &server{Options: o, ui: u, store: p.Store, env: p.Env, link: link, shared: shard.NewShared(o.CacheSize)}
	s.shared.KeepOn(p.Disk)
	if s.place, err = os.OpenFile(s.Mountpoint, unix.O_PATH|unix.O_NOFOLLOW, 0); err != nil {
		return err
	}
	defer s.place.Close()
	if o.Scratch != "" {
		s.scratch, err = scratch.Create(o.Scratch)
	} else {
		mounts.Sweep(os.TempDir(), false, func(err error) { u.Detail("%v", err) })
		s.scratch, err = scratch.CreateTemp(os.TempDir())
	}
	if err != nil {
		return err
	}
	if why := s.scratch.Weak(); why != "" && o.Scratch != "" && !o.Private {
		u.Warn("%s: %s", o.Scratch, why)
	}
	outlived := false
	defer func() {
		if !outlived {
			err = errors.Join(err, s.leave())
		}
	}()
	places, err := mounts.ClearOthers(s.scratch)
	for _, place := range places {
		u.Warn("%s: the server of this mount was gone; it is unmounted", place)
	}
	if err != nil {
		return err
	}
	s.scratch.SetMade(o.Made)
	// The kernel has already applied the umask of the process that creates a file.
	unix.Umask(0)
	if len(o.Names) > 1 {
		outlived, err = s.serveMany(ctx)
	} else {
		outlived, err = s.serveOne(ctx)
	}
	return err
}

// patience returns how long a mount waits for an index that is being built; see [shard.Options]. Most local shards are
// indexed in that time; of remote ones only those whose bytes come with the first answer.
func patience(name string) time.Duration {
	if store.IsRemote(name) {
		return 20 * time.Millisecond
	}
	return 200 * time.Millisecond
}

// serveOne serves a shard with the changes in the scratch directory. It reports whether the mount outlives this
// process.
func (s *server) serveOne(ctx context.Context) (outlived bool, err error) {
	opened, err := s.scratch.UseIndex(s.shardOptions())
	if err != nil {
		return false, err
	}
	changed, err := s.scratch.HasChanges()
	if err != nil {
		return false, err
	}
	mounted := s.mountOptions()
	unchanging := mounted.ReadOnly && !changed
	// EROFS needs the whole index.
	opened.Growing, opened.Patience = unchanging && s.Base != BaseKernel, patience(s.Names[0])
	opened.SpoolDir = cmp.Or(s.SpoolDir, s.scratch.Dir)
	opened.Provisional = opened.Growing && !s.Private
	opened.Opened = s.guardEarly
	defer s.endEarly()
	open := func() (*shard.Shard, error) { return source.OpenShard(ctx, s.ui, s.Names[0], opened) }
	if s.Private { // the process that started this one has opened the shard, and was warned
		open = func() (*shard.Shard, error) { return shard.Open(ctx, s.Names[0], opened) }
	}
	sh, err := open()
	if err != nil {
		return false, err
	}
	var indexing sync.WaitGroup
	defer func() {
		if s.stray {
			s.leaveScans(sh.StopScan)
			return
		}
		sh.Close()
		indexing.Wait()
	}()
	if err := s.scratch.Bind(sh, s.Mountpoint); err != nil {
		return false, err
	}
	mounted.Log = s.logOf(sh)
	var m liveMount
	if unchanging {
		m, err = s.mountShown(view.One(sh), mounted)
	} else {
		m, err = s.mountChanges(sh, mounted)
	}
	s.endEarly()
	if err != nil {
		return false, fmt.Errorf("%s: %w", s.Mountpoint, err)
	}
	return s.attend(ctx, m, func() {
		if sh.Grew() {
			indexing.Go(func() { source.WarnWhenIndexed(s.ui, sh) })
		}
	})
}

// logOf returns what tells the user of errors of requests to the mount of a shard.
func (s *server) logOf(sh *shard.Shard) func(error) {
	return func(err error) {
		s.link.Refused() // before the reply
		if errors.Is(err, index.ErrStale) {
			sh.Forget() // now, because the next mount may start before this one ends
		}
		if !errors.Is(err, view.ErrShard) { // else it begins with the name
			err = fmt.Errorf("%s: %w", sh.Name, err)
		}
		s.ui.Say("error", err.Error())
	}
}

// serveMany serves many shards, read-only.
func (s *server) serveMany(ctx context.Context) (outlived bool, err error) {
	absolute := make(map[string]string, len(s.Names))
	for _, name := range s.Names {
		absolute[name] = store.Absolute(name) // before enter changes the working directory
	}
	var indexing sync.WaitGroup
	s.openIndexed = func(ctx context.Context, name string) (*shard.Shard, error) {
		opened := s.shardOptions()
		opened.SpoolDir, opened.NoScan = s.scratch.Dir, s.Base != BaseKernel
		return openOne(ctx, name, absolute[name], opened)
	}
	set, err := view.Many(ctx, s.store, s.Names, func(ctx context.Context, name string) (*shard.Shard, error) {
		opened := s.shardOptions()
		opened.SpoolDir = s.scratch.Dir
		opened.Growing, opened.Patience = store.IsRemote(name), patience(name)
		opened.Provisional = s.mountOptions().ReadOnly && !s.Private
		sh, err := openOne(ctx, name, absolute[name], opened)
		if err == nil && sh.Growing() {
			indexing.Go(func() { source.WarnWhenIndexed(s.ui, sh) })
		}
		return sh, err
	})
	if err != nil {
		return false, err
	}
	defer func() {
		if s.stray {
			s.leaveScans(set.StopScans)
			return
		}
		set.Close()
		indexing.Wait()
	}()
	if err := s.scratch.BindMany(s.Mountpoint, slices.Collect(maps.Values(absolute))); err != nil {
		return false, err
	}
	mounted := s.mountOptions()
	mounted.Log = func(err error) {
		if errors.Is(err, index.ErrStale) {
			set.Forget()
		}
		s.ui.Say("error", err.Error())
	}
	m, err := s.mountShown(set, mounted)
	if err != nil {
		return false, fmt.Errorf("%s: %w", s.Mountpoint, err)
	}
	return s.attend(ctx, m, func() {})
}

// openOne opens one of many shards by its absolute name.
func openOne(ctx context.Context, name, absolute string, o shard.Options) (*shard.Shard, error) {
	sh, err := shard.Open(ctx, absolute, o)
	if err != nil {
		return nil, err
	}
	sh.Name = store.Redact(name)
	return sh, nil
}

// shardOptions returns the options to open a shard with.
func (s *server) shardOptions() shard.Options {
	return shard.Options{
		Store: s.store, IndexFile: s.IndexFile, CacheDir: s.CacheDir, NoIndex: s.NoIndex,
		AllowTruncated: s.AllowTruncated, Detail: s.ui.Detail, Warn: s.ui.WarnOnce, Shared: s.shared,
	}
}

// mountOptions returns the options to mount with.
func (s *server) mountOptions() fusefs.Options {
	o := fusefs.Options{MountOptions: fusefs.ParseMountOptions(s.Mount), Source: s.scratch.Dir}
	o.ReadOnly = o.ReadOnly || s.ReadOnly
	return o
}

// attend tells the parent that the mount is ready, calls ready, and waits until the mount has ended. It unmounts when
// ctx or the parent ends.
func (s *server) attend(ctx context.Context, m liveMount, ready func()) (outlived bool, err error) {
	if err := s.enter(); err != nil {
		return false, errors.Join(err, m.Unmount())
	}
	s.answer()
	if outlived = servedByKernel(m) && s.link.isBackground(); outlived {
		if err := s.scratch.SetServedByKernel(); err != nil {
			return false, errors.Join(err, m.Unmount())
		}
		return true, errors.Join(s.link.ready(s.scratch.LogFile()), s.scratch.Close())
	}
	done := make(chan struct{})
	go func() {
		m.Wait()
		close(done)
	}()
	if err := s.link.ready(s.scratch.LogFile()); err != nil {
		err = errors.Join(err, m.Unmount())
		<-done
		return false, err
	}
	ready()
	select {
	case <-done:
		return false, nil
	case <-ctx.Done():
	case <-s.link.parentExited():
	}
	used := !s.Private && mounts.Users(s.scratch.Device()) != ""
	err = m.Unmount()
	if s.scratch.Device() != "" {
		err = mounts.Detach(s.scratch.Device(), s.scratch.Dir) // wherever it was moved, and its further places
	}
	if err != nil {
		return false, err // only the end of this process can end the mount now
	}
	var stray <-chan time.Time
	if s.Private || !used {
		// The run is over, but a process that a command has left in another session may keep files open; or a mount
		// namespace keeps a copy of the mount that no process uses. The server does not wait for them.
		stray = time.After(s.grace())
	}
	select {
	case <-done:
	case <-stray:
		s.stray = true
	}
	return false, nil
}

// enter records the number of the mount's device, and makes the scratch directory the working directory. By these the
// scratch directory is found wherever it and the mount are moved.
func (s *server) enter() error {
	m, mounted, err := mounts.At(s.Mountpoint)
	if err == nil && mounted {
		err = s.scratch.SetDevice(m.Device)
	}
	return errors.Join(err, os.Chdir(s.scratch.Dir))
}

// answer answers other processes, if a shard is remote. Most do without, so an error, as on a file system without
// sockets, is only a detail.
func (s *server) answer() {
	if !slices.ContainsFunc(s.Names, store.IsRemote) {
		return
	}
	var a scratch.Answer
	if len(s.Names) == 1 {
		a.Shard = []byte(s.Names[0])
	}
	err := s.scratch.Listen(func() scratch.Answer {
		if counter, ok := s.store.(interface{ Stats() string }); ok {
			a := a
			a.Stats = counter.Stats()
			return a
		}
		return a
	})
	if err != nil {
		s.ui.Detail("%s: status and pack may not be answered: %v", s.Mountpoint, err)
	}
}

// grace is how long a mount that has ended is still served: in a run, to processes that its commands have left.
func (s *server) grace() time.Duration {
	if s.Private {
		return 500 * time.Millisecond
	}
	return 100 * time.Millisecond
}

// leaveScans ends the scans of shards that are not closed, so that they leave no locks, unless a store hangs.
func (s *server) leaveScans(stop func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	stop(ctx)
}

// leave removes the mountpoint if mount has made it, releases the scratch directory, and removes that if it is temporary
// and holds no changes that were not packed.
func (s *server) leave() error {
	defer s.scratch.Close()
	if place, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.place.Fd())); err == nil {
		mounts.Unmake(place, s.Made)
	}
	if !s.scratch.Temporary() {
		return nil
	}
	now, err := scratch.Open(s.scratch.Here()) // pack may have recorded since that it has packed the changes
	if err != nil {
		return nil // removed by umount
	}
	kept, err := mounts.RemovePacked(now)
	if kept {
		s.ui.Warn("%s: there are changes that were not packed: mount with --scratch %[1]s to use them again", now.Dir)
	}
	return err
}
