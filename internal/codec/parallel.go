package codec

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// pipeline compresses pieces of plain bytes in parallel and writes them in order. The output does not depend on the
// number of workers, because pieces always have the same boundaries and are compressed independently.
//
// It is an io.Writer for one goroutine. After the first write that fails, nothing more is written.
type pipeline struct {
	w      io.Writer
	format Format
	size   int // plain bytes of a piece; only the last one may have fewer
	wrote  func(*piece)
	piece  *piece // the one being filled, or nil

	free  chan *piece // unused pieces
	work  chan *piece // to be compressed
	queue chan *piece // to be written, in order

	running sync.WaitGroup
	written atomic.Int64  // plain bytes of pieces that have been written
	failed  chan struct{} // closed when err is set
	err     error         // of the first write to w that failed
	closed  bool
}

// piece is the plain bytes that are compressed together.
type piece struct {
	plain []byte
	out   []byte
	crc   uint32        // of plain
	done  chan struct{} // receives when out and crc are ready
}

// newPipeline starts the workers; 0 means GOMAXPROCS. Each calls worker once, for a function that sets out and crc of
// a piece. wrote is called in order with each piece that has been written.
func newPipeline(
	w io.Writer, f Format, size, workers int, worker func() (compress func(*piece)), wrote func(*piece),
) (*pipeline, error) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if workers < 0 {
		return nil, fmt.Errorf("%s with %d workers", f, workers)
	}
	// One piece for each worker, one that is being filled and one that is being written. Each channel has room
	// for all of them, so no send blocks.
	pieces := workers + 2
	l := &pipeline{
		w:      w,
		format: f,
		size:   size,
		wrote:  wrote,
		free:   make(chan *piece, pieces),
		work:   make(chan *piece, pieces),
		queue:  make(chan *piece, pieces),
		failed: make(chan struct{}),
	}
	for range pieces {
		l.free <- &piece{done: make(chan struct{}, 1)}
	}
	for range workers {
		l.running.Go(func() {
			compress := worker()
			for s := range l.work {
				compress(s)
				s.done <- struct{}{}
			}
		})
	}
	l.running.Go(func() {
		for s := range l.queue {
			<-s.done
			l.put(s.out)
			l.wrote(s)
			if l.err == nil {
				l.written.Add(int64(len(s.plain)))
			}
			l.free <- s
		}
	})
	return l, nil
}

// Write compresses plain bytes. An error is that of an earlier write to the underlying writer.
func (l *pipeline) Write(p []byte) (int, error) {
	if l.closed {
		return 0, errors.New("write to a closed " + l.format.String() + " writer")
	}
	n := 0
	for n < len(p) {
		select {
		case <-l.failed:
			return n, l.err
		default:
		}
		if l.piece == nil {
			l.piece = <-l.free
			if l.piece.plain == nil {
				l.piece.plain = make([]byte, 0, l.size)
			}
			l.piece.plain = l.piece.plain[:0]
		}
		s := l.piece
		room := min(l.size-len(s.plain), len(p)-n)
		s.plain = append(s.plain, p[n:n+room]...)
		n += room
		if len(s.plain) == l.size {
			l.send()
		}
	}
	return n, nil
}

// send gives the filled piece to the workers.
func (l *pipeline) send() {
	l.work <- l.piece
	l.queue <- l.piece
	l.piece = nil
}

// finish waits until all pieces are written, writes the result of end, and ends the goroutines. It must be called once.
func (l *pipeline) finish(end func() []byte) error {
	l.closed = true
	if l.piece != nil {
		l.send()
	}
	close(l.work)
	close(l.queue)
	l.running.Wait()
	l.put(end())
	return l.err
}

// put writes p, unless an earlier write has failed.
func (l *pipeline) put(p []byte) {
	if l.err != nil {
		return
	}
	n, err := l.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		l.err = fmt.Errorf("write %s: %w", l.format, err)
		close(l.failed)
	}
}
