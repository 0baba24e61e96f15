package gallery

import (
	"context"
	"sync"
	"time"
)

// interest is how long work goes on when nobody asks for it any more.
const interest = 10 * time.Second

// quick is how long an answer waits for work to be done, so that what is quick needs no second question.
const quick = 200 * time.Millisecond

// tasks is work in the background that goes on while somebody asks for it.
type tasks struct {
	ctx  context.Context // of all work
	uses *uses           // of the sources
	all  sync.WaitGroup
}

// task is a piece of such work. Its zero value has not begun.
type task struct {
	mu    sync.Mutex    // guards the fields below
	ended chan struct{} // of the run in progress; nil if there is none
	stop  *time.Timer   // ends it
}

// ask has the work go on: it starts run, unless it is running. It waits a little for its end, or until ctx ends. Run
// returns early when its context ends, and continues when it is called again.
func (t *task) ask(ctx context.Context, of *tasks, run func(ctx context.Context)) {
	t.mu.Lock()
	if t.ended == nil && of.ctx.Err() == nil {
		work, cancel := context.WithCancel(of.ctx)
		ended := make(chan struct{})
		t.ended, t.stop = ended, time.AfterFunc(interest, cancel)
		of.uses.begin() // before the request has ended that knows of them
		of.all.Go(func() {
			defer of.uses.end()
			run(work)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.stop.Stop()
			t.ended = nil
			cancel()
			close(ended)
		})
	} else if t.ended != nil {
		t.stop.Reset(interest)
	}
	ended := t.ended
	t.mu.Unlock()
	if ended == nil {
		return
	}
	timer := time.NewTimer(quick)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	case <-ctx.Done():
	}
}
