package gallery

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/shardfs/shardfs/internal/source"
)

// openers is how many sources are opened at a time.
const openers = 2

// set is all sources.
type set struct {
	o     source.Options
	parts []*part
	uses  uses // of the sources

	ctx     context.Context // of the sources
	openers sync.WaitGroup

	mu         sync.Mutex // guards the fields below; it is locked before that of a part
	generation int        // changes when samples get other numbers, or a mount has changed
	renewing   bool       // the sources are being opened again
	again      bool       // and will be once more
}

// newSet returns the set of these sources.
func newSet(names []source.Name, o source.Options) *set {
	s := &set{o: o}
	for _, name := range names {
		s.parts = append(s.parts, &part{name: name, shown: name.String(), opened: opened{state: waiting}})
	}
	return s
}

// start opens the first source, and begins to open the others, until ctx ends.
func (s *set) start(ctx context.Context) error {
	s.ctx = ctx
	if err := s.parts[0].open(ctx, s.o); err != nil {
		return err
	}
	next := make(chan *part)
	s.openers.Go(func() {
		defer close(next)
		for _, p := range s.parts {
			select {
			case next <- p:
			case <-ctx.Done():
				return
			}
		}
	})
	for range openers {
		s.openers.Go(func() {
			for p := range next {
				if p != s.parts[0] {
					if err := p.open(ctx, s.o); err != nil && ctx.Err() == nil {
						s.o.UI.Warn("%v", err)
					}
				}
				p.await(ctx, s.o)
			}
		})
	}
	return nil
}

// close closes the sources. The context of start must have ended.
func (s *set) close() error {
	s.openers.Wait()
	errs := []error{s.uses.close()}
	for _, p := range s.parts {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// segment is a part of a snapshot.
type segment struct {
	part    *part
	number  int // of the part
	first   int // number of its first sample in the set
	samples samples
}

// snapshot is the set at one moment. It is immutable.
type snapshot struct {
	segments   []segment // in order, those with samples
	total      int       // samples
	generation int
}

// now returns the set as it is. Samples of a part count if all parts before it are known to the end.
func (s *set) now(ctx context.Context) *snapshot {
	now := time.Now()
	other := false
	stale := false
	for _, p := range s.parts {
		proved := p.proves.Load()
		other = p.look(ctx, now, s.o.Shard.Store) || other
		stale = stale || p.proves.Load() != proved
	}
	if stale {
		s.renew()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other {
		s.generation++
	}
	shot := &snapshot{generation: s.generation}
	for i, p := range s.parts {
		p.mu.Lock()
		samples, state := p.samples, p.state
		p.mu.Unlock()
		if samples != nil && samples.count() > 0 {
			shot.segments = append(shot.segments, segment{p, i, shot.total, samples})
			shot.total += samples.count()
		}
		if state == waiting || state == indexing {
			break
		}
	}
	return shot
}

// at returns the segment of a sample, and its number in it.
func (s *snapshot) at(n int) (*segment, int, error) {
	if n < 0 || n >= s.total {
		return nil, 0, &requestError{404, fmt.Sprintf("there is no sample %d: there are %d", n, s.total)}
	}
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].first > n }) - 1
	return &s.segments[i], n - s.segments[i].first, nil
}
