package gallery

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/shardfs/shardfs/internal/lru"
	"github.com/shardfs/shardfs/internal/picture"
	"github.com/shardfs/shardfs/internal/store"
)

// Limits of facets.
const (
	mostFacets  = 8    // that are remembered
	mostFields  = 40   // of members with JSON
	mostValues  = 100  // of a field that are shown
	mostCounted = 2000 // different values of a field: one with more is no facet
	mostFaceted = 100  // characters of a value
	mostFetched = 2000 // samples of a remote shard whose fields are read
)

// counts are numbers of samples.
type counts struct {
	extensions map[string]int
	shards     map[string]int
	fields     map[string]map[string]int
}

// newCounts returns counts of nothing.
func newCounts() counts {
	return counts{make(map[string]int), make(map[string]int), make(map[string]map[string]int)}
}

// add adds other counts.
func (c *counts) add(other counts) {
	for ext, n := range other.extensions {
		c.extensions[ext] += n
	}
	for shard, n := range other.shards {
		c.shards[shard] += n
	}
	for field, values := range other.fields {
		for value, n := range values {
			c.value(field, value, n)
		}
	}
}

// value counts a value of a field.
func (c *counts) value(field, value string, n int) {
	values := c.fields[field]
	if values == nil {
		if len(c.fields) >= mostFields {
			return
		}
		values = make(map[string]int)
		c.fields[field] = values
	}
	if _, known := values[value]; known || len(values) <= mostCounted {
		values[value] += n
	}
}

// facetKey names facets: of all samples, or of those of a filter.
type facetKey struct {
	filter     string
	generation int
}

// facets are the counts of a selection, as far as they are known.
type facets struct {
	task task

	mu     sync.Mutex // guards the fields below
	counts counts
	listed int // samples whose members were counted
	read   int // samples whose fields were read
	err    error
}

// allFacets are the facets that were used last.
type allFacets struct {
	mu   sync.Mutex // guards kept
	kept *lru.Cache[facetKey, *facets]
}

// newAllFacets returns no facets.
func newAllFacets() *allFacets {
	return &allFacets{kept: lru.New[facetKey, *facets](mostFacets, nil, nil)}
}

// of returns the facets of a selection.
func (a *allFacets) of(key facetKey) *facets {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.kept.Get(key)
	if !ok {
		f = &facets{counts: newCounts()}
		a.kept.Add(key, f)
	}
	return f
}

// facetsJSON is the answer to api/facets.
type facetsJSON struct {
	Done       float64                   `json:"done"`
	Extensions map[string]int            `json:"extensions"`
	Missing    map[string]int            `json:"missing"`
	Shards     map[string]int            `json:"shards"` // none if there is only one
	Fields     map[string]map[string]int `json:"fields"`
}

// facets answers with how many samples have which extensions, and which values of fields.
func (g *Gallery) facets(w http.ResponseWriter, r *http.Request) error {
	settled := g.set.settled()
	shot := g.set.now(r.Context())
	total, at, err := g.selected(r, shot)
	if err != nil {
		return err
	}
	f := g.allFacets.of(facetKey{r.URL.Query().Get("filter"), shot.generation})
	if _, read := f.progress(); read < total {
		f.task.ask(r.Context(), g.tasks, func(ctx context.Context) { f.run(ctx, shot, total, at) })
	}
	listed, read := f.progress()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	out := facetsJSON{
		Done: 1, Extensions: f.counts.extensions, Missing: make(map[string]int),
		Fields: make(map[string]map[string]int),
	}
	if len(g.set.parts) > 1 {
		out.Shards = most(f.counts.shards)
	}
	if read < total {
		out.Done = min(0.2*float64(listed)/float64(total)+0.8*float64(read)/float64(total), 0.99)
	}
	if filter, _ := g.filters.find(r); filter != nil && filter.state(shot).looked < shot.total || !settled {
		out.Done = min(out.Done, 0.99)
	}
	for ext, n := range f.counts.extensions {
		if n < listed {
			out.Missing[ext] = listed - n
		}
	}
	for field, values := range f.counts.fields {
		if len(values) <= mostCounted {
			out.Fields[field] = most(values)
		}
	}
	return answer(w, r, out)
}

// progress returns how many samples were listed, and how many read.
func (f *facets) progress() (listed, read int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listed, f.read
}

// most returns the values that most samples have.
func most(values map[string]int) map[string]int {
	if len(values) <= mostValues {
		return values
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(values[b]-values[a], cmp.Compare(a, b))
	})
	first := make(map[string]int)
	for _, name := range names[:mostValues] {
		first[name] = values[name]
	}
	return first
}

// run counts what was not counted, until ctx ends: first members, for which no content is read, then fields.
func (f *facets) run(ctx context.Context, shot *snapshot, total int, at func(i int) int) {
	f.mu.Lock()
	f.err = nil
	f.mu.Unlock()
	f.pass(ctx, shot, total, at, &f.listed, (*counts).list)
	f.pass(ctx, shot, total, at, &f.read, (*counts).read)
}

// pass calls count with the samples from *done on, and adds to *done.
func (f *facets) pass(ctx context.Context, shot *snapshot, total int, at func(i int) int, done *int,
	count func(c *counts, s *subject, seg *segment) error) {
	f.mu.Lock()
	next := *done
	f.mu.Unlock()
	work := newOrdered(runtime.GOMAXPROCS(0))
	for ; next < total && ctx.Err() == nil && !work.failed(); next += chunkLen {
		from, to := next, min(next+chunkLen, total)
		work.do(func() (func(), error) {
			c := newCounts()
			s := subject{ctx: ctx}
			for i := from; i < to; i++ {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				seg, number, err := shot.at(at(i))
				if err != nil {
					return nil, err
				}
				s.set(seg, number)
				if err := count(&c, &s, seg); err != nil {
					return nil, err
				}
			}
			return func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.counts.add(c)
				*done = to
			}, nil
		})
	}
	if err := work.wait(); err != nil && ctx.Err() == nil {
		f.mu.Lock()
		f.err = err
		f.mu.Unlock()
	}
}

// list counts the shard of a sample, and its extensions.
func (c *counts) list(s *subject, _ *segment) error {
	c.shards[s.shard]++
	e, err := s.entry()
	if err != nil {
		return err
	}
	for i := range e.members {
		m := &e.members[i]
		if e.isNow(m) && e.find(m.ext) == m {
			c.extensions[m.ext]++
		}
	}
	return nil
}

// read counts the values of fields of a sample: the content of members such as cls, and what is in members with JSON.
func (c *counts) read(s *subject, seg *segment) error {
	if seg.part.isRemote() && s.number >= mostFetched {
		return nil
	}
	e, err := s.entry()
	if err != nil {
		return err
	}
	for i := range e.members {
		m := &e.members[i]
		kind := picture.Kind(m.ext)
		if kind != "class" && kind != "json" || !e.isNow(m) || e.find(m.ext) != m {
			continue
		}
		text, err := valueOf(s.ctx, s.samples, m)
		if err != nil {
			return err
		}
		if kind == "class" {
			c.short(m.ext, shorten(text, mostFaceted+1, false))
			continue
		}
		var fields map[string]any
		if json.Unmarshal(text, &fields) != nil {
			continue
		}
		for name, v := range fields {
			if value, ok := scalar(v); ok {
				c.short(m.ext+"."+name, value)
			}
		}
	}
	return nil
}

// short counts a value that is short enough to be chosen.
func (c *counts) short(field, value string) {
	if value != "" && utf8.RuneCountInString(value) <= mostFaceted && utf8.ValidString(value) {
		c.value(field, value, 1)
	}
}

// isRemote reports whether the part is in a remote store.
func (p *part) isRemote() bool { return store.IsRemote(p.name.Text) }
