// Package guard keeps bytes of changed shards from being read through a file system by which the kernel reads the shard
// itself.
//
// The server of a mount compares a shard's size and times before it hands on bytes. EROFS, with the shard as its data
// device, does not ask the server, and would hand on what the shard has become. A Guard holds a lease on the shard, so
// that the kernel has a process that opens the shard for writing wait until the guard lets it go on. Before it does so,
// all reads that EROFS makes are denied, by fanotify, and those that had begun have ended. As long as the lease is held
// reads cost nothing, because the kernel asks fanotify nothing.
//
// EROFS opens the shard through a mount of its own, which no path leads to ([Guard.Device]). Only that is marked: other
// readers of the shard, and the writer, never notice the guard.
//
// A server that is killed cannot guard. So a second process, the guardian, does the same with a lease and a group of its
// own. It is this program started again, and calls [Serve]. When the server has ended and the file system is still in
// use the guardian denies all reads, detaches the mount, and stays until nothing uses it. When the guardian is killed
// the server starts another one. When one of the two is stopped the other one lets the opener go on, a little later; one that
// is stopped while reads are denied has them wait until it continues, or is killed.
//
// If both are killed before either can notice, which takes some milliseconds, nothing guards: EROFS then shows changes of
// the shard, in files whose names and inodes the kernel has cached, where it has not cached the bytes, until the mount is
// detached. If both are stopped for longer than /proc/sys/fs/lease-break-time (45 s), the kernel lets an opener go on, and
// EROFS shows what was written before one of the two continues. The guardian ignores signals, killall and pkill do not find
// it by the program's name, and the kernel does not choose it when memory is short. So it takes SIGKILL for both by number,
// or the end of a control group or PID namespace that has both; where that is a container, its mounts end with it.
//
// A lease protects from what is opened on this machine through the same file system, and so a shard is guarded only on file
// systems that this kernel alone changes, and not on overlayfs. It does not protect from writes to the disk below the file system.
package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrUnguardable means that a file cannot be guarded: it is open or mapped for writing, its file system has no leases
// that count, or this process has no right to take one or to use fanotify. The error's text has the reason.
var ErrUnguardable = errors.New("the file cannot be guarded")

// ErrBroken means that the file was opened for writing.
var ErrBroken = errors.New("the file was opened for writing")

// Command configures the guardian's process.
type Command struct {
	Args []string // the arguments that ps shows after the program's name
	Env  []string // its environment

	// Private is the scratch directory of a mount in a mount namespace that is to end with the mount's users. The guardian
	// is in that namespace, too, so it detaches all mounts of shardfs with this scratch directory. "" means no such mount.
	Private string

	// SameGroup starts the guardian in the process group of its parent, which it leaves when it knows the mount: autofs has all
	// others wait that come to the mountpoint of an automount.
	SameGroup bool
}

// Guard guards files that the kernel reads for one file system. It is safe for concurrent use.
type Guard struct {
	command Command
	files   []*File
	watch   *watch
	running sync.WaitGroup
	stop    context.CancelFunc // ends what is running

	mu       sync.Mutex
	guardian *guardian
	mount    mount // from where the guardian detaches
}

// Start begins to guard files, and starts the guardian, which takes some milliseconds to be ready: what else a mount needs
// is best done before Devices is called, which waits for it. The caller must call Close. The context is for Start only. The
// files belong to the Guard, also after an error.
func Start(ctx context.Context, files []*File, c Command) (*Guard, error) {
	g := &Guard{command: c, files: files}
	err := ctx.Err()
	if err != nil {
		return nil, errors.Join(context.Cause(ctx), g.closeFiles())
	}
	trees, leases := make([]int, len(files)), make([]lease, len(files))
	for i, f := range files {
		trees[i], leases[i] = int(f.tree.Fd()), f.lease
	}
	if g.watch, err = newWatch(trees, leases); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnguardable, err), g.closeFiles())
	}
	if err := g.begin(); err != nil {
		return nil, errors.Join(err, g.watch.close(g.running.Wait), g.closeFiles())
	}
	return g, nil
}

// closeFiles ends the use of the files.
func (g *Guard) closeFiles() error {
	var errs []error
	for _, f := range g.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// begin starts everything that guards.
func (g *Guard) begin() (err error) {
	// A file that is opened while the kernel would ask no group is exempt for good.
	if err = g.watch.group.askAll(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnguardable, err)
	}
	if err = g.start(); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.running.Go(g.watch.group.run)
	g.running.Go(func() { g.watch.run(running) })
	g.running.Go(func() { g.keep(running) })
	return nil
}

// Devices returns the paths by which the file system must open the files, valid in this process, when the guardian is ready.
// If there is none Opened will say so. One file system may open the paths, once.
func (g *Guard) Devices() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.assure()
	var all []string
	for _, f := range g.files {
		all = append(all, path(int(f.tree.Fd())))
	}
	return all
}

// Opened says that the file system has opened the files, and where it is mounted, possibly below another one; the guardian
// will detach that mount if this process is killed. From now on reads cost nothing. After an error the file system must be
// unmounted: ErrBroken, or one that says why it is not guarded. Opened may be called again, with another mount.
func (g *Guard) Opened(mountpoint string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.watch.group.used()) < len(g.files) {
		return errors.New("guard: the file system has not opened a file by its device path")
	}
	g.mount = mount{Path: []byte(mountpoint)}
	if err := g.assure(); err != nil {
		return err
	}
	if !g.watch.group.relax() {
		return ErrBroken
	}
	return nil
}

// Broken returns a channel that gets the place of a file in the list, once, when a process opens it for writing, which waits
// until reads that had begun have ended. Nothing of that file can be read any more but what the kernel has cached.
func (g *Guard) Broken() <-chan int { return g.watch.broken }

// IsBroken reports whether a file was opened for writing.
func (g *Guard) IsBroken() bool { return len(g.watch.areDenied()) > 0 }

// Close ends the guard. The guardian ends too, or, if the file system is still in use, stays until it is not, and has all
// reads denied.
func (g *Guard) Close() error {
	g.stop()
	g.mu.Lock()
	g.watch.setPeers(nil)
	err := g.guardian.leave()
	g.mu.Unlock()
	return errors.Join(err, g.watch.close(g.running.Wait), g.closeFiles())
}

// start starts a guardian and does not wait until it is ready. The caller holds the mutex, or is alone.
func (g *Guard) start() error {
	n, err := startGuardian(g)
	if err != nil {
		return err
	}
	g.guardian = n
	g.watch.setPeers(n.leases)
	return nil
}

// assure returns when a guardian knows what this process knows. The caller holds the mutex.
func (g *Guard) assure() error {
	if g.tell() == nil {
		return nil
	}
	return g.replace(context.Background()) // it may have been killed just now
}

// tell tells the guardian what this process knows, until there is nothing new. The caller holds the mutex.
func (g *Guard) tell() error {
	for {
		m := g.message()
		r, err := g.guardian.tell(m)
		if err != nil {
			return err
		}
		g.mount = r.Mount
		if now := g.message(); slices.Equal(now.Used, m.Used) && slices.Equal(now.Denied, m.Denied) {
			return nil
		}
	}
}

// message returns what this process knows.
func (g *Guard) message() message {
	return message{
		Files: len(g.files), Used: g.watch.group.used(), Denied: g.watch.areDenied(), Mount: g.mount,
		Private: []byte(g.command.Private),
	}
}

// The pauses between two attempts to start a guardian again: at first the least, then twice as long each time.
const (
	leastPause = 50 * time.Millisecond
	mostPause  = time.Minute
)

// keep starts a guardian again whenever it has ended.
func (g *Guard) keep(ctx context.Context) {
	for {
		g.mu.Lock()
		ended := g.guardian.ended
		g.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
		for pause := leastPause; !g.restart(ctx); pause = min(2*pause, mostPause) {
			if !sleep(ctx, pause) {
				return
			}
		}
	}
}

// restart starts a guardian in the place of one that has ended.
func (g *Guard) restart(ctx context.Context) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !isClosed(g.guardian.ended) || ctx.Err() == nil && g.replace(ctx) == nil
}

// replace starts a guardian, and ends the one before it, which has no answer. If the context ends first so does the new
// one. The caller holds the mutex.
func (g *Guard) replace(ctx context.Context) error {
	old := g.guardian
	if err := g.start(); err != nil {
		return err
	}
	old.cmd.Process.Kill()
	old.leave()
	n := g.guardian
	stop := context.AfterFunc(ctx, func() { n.cmd.Process.Kill() })
	defer stop()
	err := g.tell()
	if err != nil {
		n.cmd.Process.Kill()
		<-n.ended
	}
	return err
}

// isClosed reports whether a channel is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sleep returns after a pause, or with false when the context ends.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
