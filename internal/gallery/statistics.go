package gallery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/shardfs/shardfs/internal/picture"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/survey"
	"github.com/shardfs/shardfs/pack"
)

// statistics are the numbers about all sources, as far as they are known.
type statistics struct {
	task task

	mu         sync.Mutex // guards the fields below
	generation int
	next       int            // number of the part that is being surveyed
	share      float64        // of that, what is done
	all        *survey.Survey // of those before it; nil if there is none
	err        error
}

// statisticsJSON is the answer to api/statistics.
type statisticsJSON struct {
	Done   float64        `json:"done"`
	Survey *survey.Survey `json:"survey"`
	Error  string         `json:"error,omitempty"` // why a shard is not in it
}

// statistics answers with the numbers so far.
func (g *Gallery) statistics(w http.ResponseWriter, r *http.Request) error {
	shot := g.set.now(r.Context())
	s := &g.numbers
	if s.left(shot, len(g.set.parts)) {
		s.task.ask(r.Context(), g.tasks, func(ctx context.Context) { s.run(ctx, g.set, shot) })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := statisticsJSON{Survey: s.all, Done: (float64(s.next) + s.share) / float64(len(g.set.parts))}
	if s.err != nil {
		out.Error = errorText(s.err)
	}
	return answer(w, r, out)
}

// left reports whether there are parts to survey.
func (s *statistics) left(shot *snapshot, parts int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation != shot.generation || s.next < parts
}

// run surveys the parts that were not surveyed, as far as they are indexed, until ctx ends.
func (s *statistics) run(ctx context.Context, of *set, shot *snapshot) {
	s.mu.Lock()
	if s.generation != shot.generation {
		s.generation, s.next, s.all, s.err = shot.generation, 0, nil, nil
	}
	next := s.next
	s.mu.Unlock()
	for ; next < len(of.parts) && ctx.Err() == nil; next++ {
		p := of.parts[next]
		p.mu.Lock()
		src, state, now, err := p.src, p.state, p.samples, p.err
		p.mu.Unlock()
		if state == waiting || state == indexing {
			return
		}
		var found *survey.Survey
		if err == nil {
			found, err = s.survey(ctx, of.o.Shard, src, now)
		}
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		switch {
		case err != nil:
			s.err = errors.Join(s.err, err)
		case s.all == nil:
			s.all = found
		default:
			s.all.Merge(found)
		}
		s.next, s.share = next+1, 0
		s.mu.Unlock()
	}
}

// progress records how much of a part is done.
func (s *statistics) progress(done, all int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all > 0 {
		s.share = min(float64(done)/float64(all), 1)
	}
}

// survey surveys a source. What it finds of a local shard is kept beside the index in the cache.
func (s *statistics) survey(ctx context.Context, o shard.Options, src *source.Source, now samples) (
	*survey.Survey, error) {
	options := survey.Options{Pictures: true, Contents: true, Progress: s.progress}
	switch now := now.(type) {
	case shardSamples:
		if store.IsRemote(now.sh.Path()) { // all of it would be fetched
			return survey.Of(ctx, now.sh, survey.Options{Progress: s.progress})
		}
		options.Check = true
		for ext := range now.x.Extensions() {
			if picture.Kind(ext) == "class" {
				options.Fields = append(options.Fields, ext)
			}
		}
		slices.Sort(options.Fields)
		return keptSurvey(o.CacheDir, now.sh, options, func() (*survey.Survey, error) {
			return survey.Of(ctx, now.sh, options)
		})
	case *mountSamples:
		b := survey.NewBuilder(src.Name, options)
		done := int64(0)
		for sample, err := range pack.All(now.base, src.Changes) {
			if err == nil {
				err = b.Add(&sample)
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", src.Name, err)
			}
			done++
			s.progress(done, int64(now.count()))
		}
		return b.Survey(), nil
	case *fileSamples:
		return now.survey(ctx, src.Name, options, s.progress)
	}
	return nil, errNotFound
}

// survey surveys the samples of a directory.
func (f *fileSamples) survey(ctx context.Context, name string, o survey.Options, progress func(done, all int64)) (
	*survey.Survey, error) {
	b := survey.NewBuilder(name, o)
	for i := range f.all {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		e, err := f.entry(i)
		if err != nil {
			return nil, err
		}
		members := slices.Clone(f.all[i].Members())
		for m := range members {
			members[m].File.Size = e.members[m].size
		}
		sample := f.all[i].With(members)
		if err := b.Add(&sample); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		progress(int64(i+1), int64(len(f.all)))
	}
	return b.Survey(), nil
}
