package runner

import (
	"context"
	"errors"
	"sync"
	"syscall"
)

// diskGate makes a job that has found the disk full wait until space may have been freed: a job frees its space when it
// has failed, or when its result was handled.
type diskGate struct {
	mu      sync.Mutex
	changed sync.Cond // signals changes of the fields below; its lock is mu
	busy    int       // number of jobs that are being prepared or whose command runs
	settled int       // number of results that were handled
	freed   int       // how many times space may have been freed
}

func newDiskGate() *diskGate {
	g := new(diskGate)
	g.changed.L = &g.mu
	return g
}

// enter counts a job that is being prepared. It returns how many times space may have been freed before.
func (g *diskGate) enter() (freed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy++
	return g.freed
}

// leave counts a job that has ended; freed is false if it could not be prepared.
func (g *diskGate) leave(freed bool) { g.update(-1, 0, freed) }

// settle counts a result that was handled.
func (g *diskGate) settle() { g.update(0, 1, true) }

func (g *diskGate) update(busy, settled int, freed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy += busy
	g.settled += settled
	if freed {
		g.freed++
	}
	g.changed.Broadcast()
}

// wait waits until space may have been freed since enter returned freed. It returns false if no other job can free
// space for job number: none is busy, and the results of all jobs before it were handled.
func (g *diskGate) wait(ctx context.Context, number, freed int) bool {
	stop := context.AfterFunc(ctx, func() { g.update(0, 0, false) })
	defer stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.freed == freed && (g.busy > 0 || g.settled < number) && ctx.Err() == nil {
		g.changed.Wait()
	}
	return g.freed != freed
}

// isFull reports whether an error means that a disk is full.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
