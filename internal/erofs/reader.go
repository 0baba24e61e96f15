package erofs

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A want is a part of a file that is to be read into the page cache.
type want struct {
	file     cachedFile
	from, to int64
}

// A cachedFile is a file that the kernel reads for EROFS. HasAll may be called at any time, the rest by one goroutine.
type cachedFile interface {
	// HasAll reports whether a part is in the page cache. What is not known is taken to be there.
	HasAll(off, n int64) bool

	// Used returns true when another process has read the file since it returned last, and false if ctx ends or none does
	// so for some seconds.
	Used(ctx context.Context) bool

	// WasUsed is Used without waiting.
	WasUsed() bool

	// Read reads a part into the page cache.
	Read(off, n int64) error

	// Release closes what Used and Read have opened.
	Release()
}

// reader reads files ahead of walks, each part when its file is next used, in one goroutine that ends when there is
// nothing to do.
type reader struct {
	ctx     context.Context // ends when close is called
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	changed sync.Cond  // of the fields below
	wants   []walkWant // at most one of each walk
	reading want       // what is being read now, from where it has come to
	runs    bool       // there is a goroutine
	lapsed  bool       // it has waited long enough
	used    bool       // the file of the last want was used
}

// walkWant is what a walk wants.
type walkWant struct {
	walk int
	want
}

func newReader() *reader {
	r := &reader{}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.changed.L = &r.mu
	return r
}

// read has a part of a file read for a walk that is at a place of it, together with what the walk wanted before, as far as
// that is not passed. It reports whether that need not wait until the file is used, and so whether the walk reads contents.
func (r *reader) read(walk int, w want, at int64) (used bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.wants, func(o walkWant) bool { return o.walk == walk }); i >= 0 {
		if o := r.wants[i]; o.file == w.file && o.to >= w.from {
			w.from = max(min(o.from, w.from), at)
		}
		r.wants[i].want = w
		return r.reading.file == w.file
	}
	used = r.used
	if w.from < w.to {
		r.wants = append(r.wants, walkWant{walk, w})
		r.changed.Broadcast()
	}
	if !r.runs && r.ctx.Err() == nil {
		r.runs = true
		r.running.Go(r.run)
	}
	return used
}

// wait waits while a part of a file is being read, or will be read right after what is being read.
func (r *reader) wait(file cachedFile, from, to int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.reading.file == file && r.comes(from, to) {
		r.changed.Wait()
	}
}

// comes reports whether a part of the file that is being read, which has not been read, is wanted. The caller has locked.
func (r *reader) comes(from, to int64) bool {
	within := func(w want) bool { return w.file == r.reading.file && w.from < to && from < w.to }
	return within(r.reading) || slices.ContainsFunc(r.wants, func(w walkWant) bool { return within(w.want) })
}

// run reads what is wanted, until nothing has been wanted for a while.
func (r *reader) run() {
	var file cachedFile
	release := func() {
		if file != nil {
			file.Release()
		}
	}
	for {
		next := r.next(release)
		if next == nil {
			return
		}
		if next != file {
			release()
			file = next
		}
		r.begin(file.Used(r.ctx))
		for r.step() {
		}
	}
}

// idle is how long a reader waits for the next want, and for the use of a file.
const idle = 5 * time.Second

// next waits for the file of which a part is wanted next. It returns nil if there is none, or close was called, and the
// goroutine must end; before that is known to others it calls release.
func (r *reader) next(release func()) cachedFile {
	timer := time.AfterFunc(idle, r.lapse)
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.lapsed = false; len(r.wants) == 0 && !r.lapsed && r.ctx.Err() == nil; {
		r.changed.Wait()
	}
	if len(r.wants) > 0 && r.ctx.Err() == nil {
		return r.wants[0].file
	}
	release()
	r.runs = false
	return nil
}

// lapse ends a wait for wants.
func (r *reader) lapse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lapsed = true
	r.changed.Broadcast()
}

// begin takes the next want, which is dropped if its file is not used.
func (r *reader) begin(used bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used = used; used {
		r.reading = r.wants[0].want
	}
	r.wants = r.wants[1:]
	r.changed.Broadcast()
}

// readStep is how many bytes are read at a time.
const readStep = 256 << 10

// step reads some of what is being read. At its end, it begins with what is wanted next of a file that is used, and returns
// false if there is nothing.
func (r *reader) step() bool {
	w := r.reading
	if w.file == nil {
		return false
	}
	n := min(w.to-w.from, readStep)
	err := w.file.Read(w.from, n)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading.from += n
	switch {
	case err != nil || r.ctx.Err() != nil:
		r.reading = want{}
	case r.reading.from < w.to:
	case len(r.wants) > 0 && r.wants[0].file == w.file && w.file.WasUsed():
		r.reading, r.wants = r.wants[0].want, r.wants[1:]
	default:
		r.reading = want{}
	}
	r.changed.Broadcast()
	return r.reading.file != nil
}

// close ends the reader. Nothing is read afterwards.
func (r *reader) close() {
	r.cancel()
	r.lapse()
	r.running.Wait()
}
