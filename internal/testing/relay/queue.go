package relay

import (
	"sync"
	"time"
)

// A parcel is some bytes on their way.
type parcel struct {
	buf *[mostChunk]byte
	n   int       // bytes in buf
	due time.Time // of their arrival
	err error     // why the flow ends after them; io.EOF if the sender has closed its side
}

// A queue holds the parcels between one reader, who puts them, and one writer, who takes them.
type queue struct {
	window int             // most bytes
	done   <-chan struct{} // ends all waiting
	more   chan struct{}   // has an element after a parcel was put
	room   chan struct{}   // has an element after a parcel was taken

	mu      sync.Mutex
	parcels []parcel
	bytes   int // in parcels
}

// unlimited is the window where no rate says what is on its way.
const unlimited = 4 << 20

func newQueue(done <-chan struct{}) *queue {
	return &queue{window: unlimited, done: done, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put waits for room and adds a parcel. It returns false if the connection was closed meanwhile.
func (q *queue) put(p parcel) bool {
	for !q.tryPut(p) {
		select {
		case <-q.room:
		case <-q.done:
			return false
		}
	}
	wake(q.more)
	return true
}

func (q *queue) tryPut(p parcel) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes > 0 && q.bytes+p.n > q.window {
		return false
	}
	q.parcels = append(q.parcels, p)
	q.bytes += p.n
	return true
}

// take waits for the next parcel and removes it. It returns false if the connection was closed meanwhile.
func (q *queue) take() (parcel, bool) {
	for {
		if taken := q.takeIf(nil, func(parcel) bool { return true }, 1); len(taken) == 1 {
			return taken[0], true
		}
		select {
		case <-q.more:
		case <-q.done:
			return parcel{}, false
		}
	}
}

// mostAtOnce bounds the parcels that are written at once.
const mostAtOnce = 16

// takeDue removes the next parcels that are due, and appends them to list.
func (q *queue) takeDue(list []parcel, now time.Time) []parcel {
	return q.takeIf(list, func(p parcel) bool { return !p.due.After(now) }, mostAtOnce)
}

// takeIf moves parcels, while ok, to the end of list, until that has most.
func (q *queue) takeIf(list []parcel, ok func(parcel) bool, most int) []parcel {
	q.mu.Lock()
	n := 0
	for n < len(q.parcels) && len(list) < most && ok(q.parcels[n]) {
		list = append(list, q.parcels[n])
		q.bytes -= q.parcels[n].n
		n++
	}
	q.parcels = append(q.parcels[:0], q.parcels[n:]...)
	q.mu.Unlock()
	if n > 0 {
		wake(q.room)
	}
	return list
}

// wake lets the one who waits for c look again.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
