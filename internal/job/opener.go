package job

import (
	"context"
	"errors"
	"sync"
)

// maxOpen is how many legs are open at a time: one whose output is being published, one in which commands run, and one
// that is opened ahead. Each can have the process that serves its mount.
const maxOpen = 3

// opener opens the legs of a run in order, each while commands run in the one before.
type opener struct {
	todo   []int // numbers of the sources that are left
	asked  bool  // open a leg only when it is asked for: it may not be needed
	open   func(ctx context.Context, number int) *leg
	room   chan struct{} // has an element for each open leg
	opened chan *leg     // opened in the background; nil before first has returned
	wanted chan struct{} // asks for the next
	group  sync.WaitGroup

	mu      sync.Mutex
	opening int           // legs that are being opened
	legs    map[*leg]bool // that are open
}

func newOpener(todo []int, asked bool, open func(ctx context.Context, number int) *leg) *opener {
	return &opener{
		todo: todo, asked: asked, open: open,
		room: make(chan struct{}, maxOpen), wanted: make(chan struct{}), legs: make(map[*leg]bool),
	}
}

// first opens the first leg, and has the others opened in the background from then on. Reads of all of them fail after
// ctx has ended.
func (o *opener) first(ctx context.Context) *leg {
	o.room <- struct{}{}
	l := o.openNext(ctx)
	o.opened = make(chan *leg)
	o.group.Go(func() {
		defer close(o.opened)
		for len(o.todo) > 0 && o.wait(ctx) {
			l := o.openNext(ctx)
			select {
			case o.opened <- l:
			case <-ctx.Done():
				return
			}
		}
	})
	return l
}

// wait waits until the next leg may be opened; false if ctx has ended before.
func (o *opener) wait(ctx context.Context) bool {
	if o.asked {
		select {
		case <-o.wanted:
		case <-ctx.Done():
			return false
		}
	}
	select {
	case o.room <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// openNext opens a leg, for which there is room.
func (o *opener) openNext(ctx context.Context) *leg {
	o.mu.Lock()
	o.opening++
	o.mu.Unlock()
	l := o.open(ctx, o.todo[0])
	o.todo = o.todo[1:]
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opening--
	o.legs[l] = true
	return l
}

// next returns the next leg, of which there is one; nil if ctx has ended.
func (o *opener) next(ctx context.Context) *leg {
	if o.asked {
		select {
		case o.wanted <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
	}
	select {
	case l := <-o.opened:
		return l
	case <-ctx.Done():
		return nil
	}
}

// owns reports whether a child process may be one that serves or writes the source of a leg.
func (o *opener) owns(pid int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for l := range o.legs {
		if l.space != nil && l.space.Pid == pid {
			return true
		}
	}
	return o.opening > 0
}

// close closes a leg, and makes room for another one. It does nothing for one that is closed.
func (o *opener) close(l *leg) error {
	o.mu.Lock()
	open := o.legs[l]
	o.mu.Unlock()
	if !open {
		return nil
	}
	err := l.close()
	o.mu.Lock()
	delete(o.legs, l)
	o.mu.Unlock()
	<-o.room
	return err
}

// end closes the legs that are open. The context of first has ended.
func (o *opener) end() (err error) {
	o.group.Wait()
	for l := range o.legs {
		err = errors.Join(err, o.close(l))
	}
	return err
}
