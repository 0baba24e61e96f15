package guard

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// otherAfter is how long a process waits for the other one to release its lease, before it does so itself.
const otherAfter = 50 * time.Millisecond

// A watch guards a file for one process, with a lease and a group.
type watch struct {
	own     lease
	group   *group
	signals chan os.Signal // SIGIO, for any lease of the process
	broken  chan struct{}  // closed when reads are denied because the lease is broken

	mu   sync.Mutex
	peer lease // the lease of the other process, if there is one
}

// newWatch returns a watch that has not taken its lease.
func newWatch(tree int, own lease) (*watch, error) {
	g, err := newGroup(tree)
	if err != nil {
		return nil, err
	}
	w := &watch{own: own, group: g, signals: make(chan os.Signal, 1), broken: make(chan struct{})}
	signal.Notify(w.signals, unix.SIGIO)
	return w, nil
}

// run waits until the lease is broken, or is not held from the beginning, denies all reads, and lets the opener go on.
func (w *watch) run(ctx context.Context) {
	for w.own.isHeld() {
		select {
		case <-w.signals:
		case <-ctx.Done():
			return
		}
	}
	if !w.deny(ctx) {
		return // the opener waits for as long as the kernel lets it
	}
	close(w.broken)
	awaitReads(ctx)
	w.own.release()
	if sleep(ctx, otherAfter) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.peer.file != nil {
			w.peer.release()
		}
	}
}

// deny denies all reads that begin from now on. It tries until it can, or with false until the context ends.
func (w *watch) deny(ctx context.Context) bool {
	for w.group.deny() != nil {
		if !sleep(ctx, time.Millisecond) {
			return false
		}
	}
	return true
}

// setPeer sets the lease of the other process. The one before it is not used from then on; the zero lease means none.
func (w *watch) setPeer(l lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peer = l
}

// close ends the watch, after the context of run has ended; wait returns when run and the group's have returned. It does not
// close the lease of the other process.
func (w *watch) close(wait func()) error {
	signal.Stop(w.signals)
	err := w.group.close()
	wait()
	return errors.Join(err, w.own.file.Close())
}
