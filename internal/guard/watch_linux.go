package guard

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// otherAfter is how long a process waits for the other one to release its lease, before it does so itself.
const otherAfter = 50 * time.Millisecond

// A watch guards files for one process, with a lease on each and a group.
type watch struct {
	own     []lease
	group   *group
	signals chan os.Signal // SIGIO, for any lease of the process
	broken  chan int       // has room for all files, and gets those whose reads are denied because the lease is broken

	mu     sync.Mutex // guards the fields below
	denied []int      // files that were sent to broken
	peers  []lease    // those of the other process, if there is one
}

// newWatch returns a watch of files that have these mounts. It takes no lease.
func newWatch(trees []int, own []lease) (*watch, error) {
	g, err := newGroup(trees)
	if err != nil {
		return nil, err
	}
	w := &watch{own: own, group: g, signals: make(chan os.Signal, 1), broken: make(chan int, len(own))}
	signal.Notify(w.signals, unix.SIGIO)
	return w, nil
}

// run waits until leases are broken, or are not held from the beginning, denies all reads of those files, and lets the
// openers go on. It returns when there are no other files, or the context ends.
func (w *watch) run(ctx context.Context) {
	left := w.all()
	for len(left) > 0 {
		var broken []int
		left = slices.DeleteFunc(left, func(i int) bool {
			held := w.own[i].isHeld()
			if !held {
				broken = append(broken, i)
			}
			return !held
		})
		if len(broken) > 0 {
			if !w.end(ctx, broken) {
				return
			}
			continue
		}
		select {
		case <-w.signals:
		case <-ctx.Done():
			return
		}
	}
}

// end denies all reads of files, and lets those who open them for writing go on. It returns false if the context ends first:
// they then wait for as long as the kernel lets them.
func (w *watch) end(ctx context.Context, files []int) bool {
	if !w.deny(ctx, files) {
		return false
	}
	w.mu.Lock()
	w.denied = append(w.denied, files...)
	w.mu.Unlock()
	for _, i := range files {
		w.broken <- i
	}
	awaitReads(ctx)
	for _, i := range files {
		w.own[i].release()
	}
	if !sleep(ctx, otherAfter) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range files {
		if w.peers != nil {
			w.peers[i].release()
		}
	}
	return true
}

// deny denies all reads of files that begin from now on. It tries until it can, or with false until the context ends.
func (w *watch) deny(ctx context.Context, files []int) bool {
	for w.group.deny(files) != nil {
		if !sleep(ctx, time.Millisecond) {
			return false
		}
	}
	return true
}

// all returns the numbers of all files.
func (w *watch) all() []int {
	all := make([]int, len(w.own))
	for i := range all {
		all[i] = i
	}
	return all
}

// areDenied returns the files of which reads are denied because their leases were broken, in order.
func (w *watch) areDenied() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.denied))
}

// setPeers sets the leases of the other process. Those before are not used from then on; nil means none.
func (w *watch) setPeers(leases []lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers = leases
}

// close ends the watch, after the context of run has ended; wait returns when run and the group's have returned. It does
// not close leases.
func (w *watch) close(wait func()) error {
	signal.Stop(w.signals)
	err := w.group.close()
	wait()
	return err
}
