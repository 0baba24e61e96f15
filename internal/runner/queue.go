package runner

import (
	"sync"
	"time"
)

// queue has the tasks that were pulled and not handled, in their order. They are handled by one goroutine at a time: the
// slot that has just done the next of them, or, if that takes long or there is no other slot, the loop, which is a goroutine
// of its own. Where the processors are busy a goroutine that is woken is late, and meanwhile the window fills up: so `run --
// true` has taken 1.13 times as long when the loop handled everything.
type queue struct {
	handle  func(*task) (more bool)
	inSlots bool          // slots may handle tasks
	wake    chan struct{} // wakes the loop

	mu    sync.Mutex // guards the fields below
	tasks []*task
	busy  bool // a goroutine handles the first task
	slow  bool // the last task took long to handle
	ended bool // no task will be added
	over  bool // no task will be handled
}

// quick is for how long a slot may be kept from its next job by handling the result of the last one.
const quick = 100 * time.Microsecond

func newQueue(slots int, handle func(*task) (more bool)) *queue {
	return &queue{handle: handle, inSlots: slots > 1, wake: make(chan struct{}, 1)}
}

// add adds a task at the end. A mark is done already.
func (q *queue) add(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, t)
	if t.done = t.isMark(); t.done && len(q.tasks) == 1 {
		q.wakeLoop()
	}
}

// end says that no more tasks will be added.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.wakeLoop()
}

// finish says that a task is done. A slot calls it.
func (q *queue) finish(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.done = true
	q.proceed(true)
}

// loop returns when all tasks were handled, or, with false, when handle has returned false.
func (q *queue) loop() (all bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		q.proceed(false)
		if q.isOver() {
			return !q.over
		}
		q.mu.Unlock()
		<-q.wake
		q.mu.Lock()
	}
}

// isOver reports whether there is nothing left to handle. The caller holds the mutex.
func (q *queue) isOver() bool { return !q.busy && (q.over || q.ended && len(q.tasks) == 0) }

// proceed handles tasks as far as they are done. The caller holds the mutex.
func (q *queue) proceed(inSlot bool) {
	for !q.busy && !q.over && len(q.tasks) > 0 && q.tasks[0].done {
		t := q.tasks[0]
		if inSlot && (!q.inSlots || q.slow || t.isMark()) {
			q.wakeLoop()
			return
		}
		q.busy = true
		began := time.Now()
		q.over = !q.unlocked(t)
		if !t.isMark() {
			q.slow = time.Since(began) > quick
		}
		q.tasks[0], q.tasks = nil, q.tasks[1:]
		q.busy = false
	}
	if inSlot && q.isOver() {
		q.wakeLoop()
	}
}

// unlocked calls handle without the mutex.
func (q *queue) unlocked(t *task) (more bool) {
	q.mu.Unlock()
	defer q.mu.Lock()
	return q.handle(t)
}

func (q *queue) wakeLoop() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
