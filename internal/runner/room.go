package runner

import (
	"context"
	"errors"
	"sync"
	"syscall"
)

// room tells whoever finds the disk full when there may be more room again: a job gives its own back when it has failed, or
// when the loop has dealt with its result.
type room struct {
	mu      sync.Mutex
	changed sync.Cond // of all below; its lock is mu
	busy    int       // jobs that are being prepared, or whose command runs
	settled int       // results that the loop has dealt with
	given   int       // how often room may have been given back
}

func newRoom() *room {
	r := new(room)
	r.changed.L = &r.mu
	return r
}

// enter says that a job is being prepared. It returns the number of times that room may have been given back before.
func (r *room) enter() (given int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy++
	return r.given
}

// leave says that a job has ended, or with gave false, that it could not be prepared.
func (r *room) leave(gave bool) { r.update(-1, 0, gave) }

// settle says that the loop has dealt with a result.
func (r *room) settle() { r.update(0, 1, true) }

func (r *room) update(busy, settled int, gave bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy += busy
	r.settled += settled
	if gave {
		r.given++
	}
	r.changed.Broadcast()
}

// wait waits until room may have been given back since enter. It reports false if job number cannot hope for that: nobody is
// busy, and all jobs before it have been dealt with.
func (r *room) wait(ctx context.Context, number, given int) bool {
	stop := context.AfterFunc(ctx, func() { r.update(0, 0, false) })
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.given == given && (r.busy > 0 || r.settled < number) && ctx.Err() == nil {
		r.changed.Wait()
	}
	return r.given != given
}

// isFull reports whether an error says that there is no room on a disk.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
