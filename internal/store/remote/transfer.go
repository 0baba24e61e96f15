package remote

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"
)

// errTooLarge is the error of an object that would have too many parts.
var errTooLarge = errors.New("it is too large for the store")

// transfer sends the parts of an upload, several at a time.
type transfer struct {
	ctx    context.Context // of all parts
	cancel context.CancelCauseFunc
	up     Upload
	limits Limits
	file   *os.File      // that keeps all pieces; nil: each is kept by itself
	dir    string        // of the file
	sent   int64         // bytes of the parts before the next one
	known  map[int]Part  // parts that the store has had before
	upload string        // as Begin has named it; "" before the first part
	number int           // of the last part
	turns  chan struct{} // has a value for each part that is in use
	memory *memory       // of pieces
	own    chan struct{} // see memory.piece
	before chan struct{} // closed when the part before the next one is acknowledged; nil for the first
	all    sync.WaitGroup

	mu    sync.Mutex // guards all below
	parts []Part
}

// newTransfer returns a transfer whose parts end with ctx.
func newTransfer(ctx context.Context, up Upload, m *memory) *transfer {
	ctx, cancel := context.WithCancelCause(ctx)
	return &transfer{ctx: ctx, cancel: cancel, up: up, limits: up.Limits(), turns: make(chan struct{}, inFlight),
		memory: m, own: make(chan struct{}, 1)}
}

// acquire waits until another part may be begun.
func (t *transfer) acquire() error {
	select {
	case t.turns <- struct{}{}:
	case <-t.ctx.Done():
	}
	return context.Cause(t.ctx)
}

// next waits until there is room for another piece, and returns it.
func (t *transfer) next() (*piece, error) {
	if err := t.acquire(); err != nil {
		return nil, err
	}
	size := sizeOfPart(t.number + 1)
	switch {
	case t.file != nil:
		return &piece{size: size, file: t.file, dir: t.dir, at: t.sent, shared: true}, nil
	case size <= inMemory:
		return t.memory.piece(t.ctx, t.own, size)
	}
	return newFilePiece(size)
}

// send begins to send a piece, which next has returned, as the next part.
func (t *transfer) send(p *piece) {
	c := p.content()
	t.sent += c.Size
	t.start(Part{Size: c.Size, CRC32C: c.CRC32C}, func() { t.free(p) }, func(number int) (string, error) {
		if old, ok := t.known[number]; ok && old.Size == c.Size {
			if same, err := t.up.(PartLister).Same(old, c); same || err != nil {
				return old.Receipt, err
			}
		}
		return t.up.Part(t.ctx, t.upload, number, c)
	})
}

// free ends the use of a piece, and keeps its memory for another one.
func (t *transfer) free(p *piece) {
	if p.close(); p.turn != nil {
		t.memory.free(p)
	}
}

// start begins to make the next part by a function, after acquire, and calls free at the end, whatever that is. The first
// error ends all parts, and is that of acquire and wait.
func (t *transfer) start(p Part, free func(), do func(number int) (receipt string, err error)) {
	t.number++
	p.Number = t.number
	before, done := t.before, make(chan struct{})
	t.before = done
	t.all.Go(func() {
		defer func() {
			free()
			<-t.turns
		}()
		if t.limits.InOrder && before != nil {
			select {
			case <-before:
			case <-t.ctx.Done():
			}
		}
		err := context.Cause(t.ctx)
		if err == nil && p.Number > maxParts {
			err = errTooLarge
		}
		if err == nil {
			p.Receipt, err = do(p.Number)
		}
		if err != nil {
			t.cancel(err)
			return
		}
		t.add(p)
		close(done)
	})
}

// add notes a part that the store has.
func (t *transfer) add(p Part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parts = append(t.parts, p)
}

// wait waits for all parts, and returns them in order.
func (t *transfer) wait() ([]Part, error) {
	t.all.Wait()
	if t.ctx.Err() != nil {
		return nil, context.Cause(t.ctx)
	}
	slices.SortFunc(t.parts, func(a, b Part) int { return a.Number - b.Number })
	return t.parts, nil
}

// end ends all parts and waits for them.
func (t *transfer) end() {
	t.cancel(context.Canceled)
	t.all.Wait()
}

// finish waits for a time for the parts on their way, which the store then has, and ends the others.
func (t *transfer) finish(limit time.Duration) {
	late := time.AfterFunc(limit, func() { t.cancel(context.Canceled) })
	defer late.Stop()
	t.all.Wait()
	t.end()
}
