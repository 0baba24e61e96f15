package gallery

import (
	"context"
	"math/bits"
	"runtime"
	"sort"
	"sync"
)

// chunkLen is how many samples are filtered at a time.
const chunkLen = 2048

// chunk is the outcome for some samples.
type chunk struct {
	first, count int      // of the samples
	before       int      // how many in earlier chunks meet the condition
	found        int      // how many in this one do
	bits         []uint64 // one for each sample; nil if found is 0 or count
}

// filter is a query and the samples that meet it, as far as that is known: a bit for each.
type filter struct {
	id    string
	text  string
	query query
	task  task

	mu         sync.Mutex // guards the fields below
	generation int        // of the snapshot that the chunks are of
	chunks     []chunk    // in order, without gaps
	err        error      // what has ended the work
}

// state is what a filter has found so far.
type state struct {
	chunks []chunk
	looked int // samples
	found  int
	err    error
}

// state returns what was found so far of a snapshot.
func (f *filter) state(shot *snapshot) (s state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.generation != shot.generation {
		return s
	}
	s.chunks, s.err = f.chunks, f.err
	if n := len(s.chunks); n > 0 {
		last := s.chunks[n-1]
		s.looked, s.found = last.first+last.count, last.before+last.found
	}
	return s
}

// at returns the number of the i-th sample that was found, from 0.
func (s *state) at(i int) int {
	c := &s.chunks[sort.Search(len(s.chunks), func(n int) bool { return s.chunks[n].before > i })-1]
	i -= c.before
	if c.bits == nil {
		return c.first + i
	}
	for w, word := range c.bits {
		if n := bits.OnesCount64(word); i >= n {
			i -= n
			continue
		}
		for ; i > 0; i-- {
			word &= word - 1
		}
		return c.first + 64*w + bits.TrailingZeros64(word)
	}
	return c.first // not reached: the chunk has found so many
}

// run filters the samples of a snapshot that were not looked at, until ctx ends.
func (f *filter) run(ctx context.Context, shot *snapshot) {
	f.mu.Lock()
	if f.generation != shot.generation {
		f.generation, f.chunks = shot.generation, nil
	}
	f.err = nil
	f.mu.Unlock()
	next := f.state(shot).looked
	ordered := newOrdered(runtime.GOMAXPROCS(0))
	for ; next < shot.total && ctx.Err() == nil; next += chunkLen {
		first, count := next, min(chunkLen, shot.total-next)
		ordered.do(func() (func(), error) {
			c, err := f.look(ctx, shot, first, count)
			return func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				if n := len(f.chunks); n > 0 {
					c.before = f.chunks[n-1].before + f.chunks[n-1].found
				}
				f.chunks = append(f.chunks, c)
			}, err
		})
		if ordered.failed() {
			break
		}
	}
	if err := ordered.wait(); err != nil && ctx.Err() == nil {
		f.mu.Lock()
		f.err = err
		f.mu.Unlock()
	}
}

// look filters a chunk.
func (f *filter) look(ctx context.Context, shot *snapshot, first, count int) (chunk, error) {
	c := chunk{first: first, count: count}
	s := subject{ctx: ctx}
	set := make([]uint64, (count+63)/64)
	for i := range count {
		if i%64 == 0 && ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		seg, number, err := shot.at(first + i)
		if err != nil {
			return c, err
		}
		s.set(seg, number)
		ok, err := f.query.match(&s)
		if err != nil {
			return c, err
		}
		if ok {
			set[i/64] |= 1 << (i % 64)
			c.found++
		}
	}
	if c.found > 0 && c.found < count {
		c.bits = set
	}
	return c, nil
}

// ordered does work at the same time whose outcomes are taken in order.
type ordered struct {
	free chan struct{}
	last chan struct{} // closed when all outcomes before were taken, or one has failed
	all  sync.WaitGroup

	mu  sync.Mutex // guards err
	err error
}

// newOrdered returns an ordered that does so many pieces of work at a time.
func newOrdered(most int) *ordered {
	first := make(chan struct{})
	close(first)
	return &ordered{free: make(chan struct{}, most), last: first}
}

// do begins a piece of work, when there is room for it. The function that work returns takes its outcome; it is called
// after those of earlier pieces, and not after an error.
func (o *ordered) do(work func() (func(), error)) {
	o.free <- struct{}{}
	before, done := o.last, make(chan struct{})
	o.last = done
	o.all.Go(func() {
		take, err := work()
		<-before
		o.mu.Lock()
		if o.err == nil {
			o.err = err
		}
		err = o.err
		o.mu.Unlock()
		if err == nil {
			take()
		}
		close(done)
		<-o.free
	})
}

// failed reports whether a piece of work has failed.
func (o *ordered) failed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil
}

// wait waits until all work is done, and returns the first error.
func (o *ordered) wait() error {
	o.all.Wait()
	return o.err
}
