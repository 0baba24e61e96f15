package gallery

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/shardfs/shardfs/internal/lru"
)

// mostFilters is how many filters are remembered.
const mostFilters = 16

// errNoFilter means that a filter was forgotten, or is of another process.
var errNoFilter = &requestError{http.StatusGone, "that filter is not known any more: ask for it again"}

// filters are the filters that were used last.
type filters struct {
	mu     sync.Mutex // guards the fields below
	last   int
	byID   *lru.Cache[string, *filter]
	byText map[string]*filter
}

// newFilters returns no filters.
func newFilters() *filters {
	f := &filters{byText: make(map[string]*filter)}
	f.byID = lru.New(mostFilters, nil, func(_ string, old *filter) { delete(f.byText, old.text) })
	return f
}

// of returns the filter of a query.
func (f *filters) of(text string) (*filter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if found := f.byText[text]; found != nil {
		f.byID.Get(found.id)
		return found, nil
	}
	q, err := parseQuery(text)
	if err != nil {
		return nil, err
	}
	if q == nil {
		q = allOf{}
	}
	f.last++
	made := &filter{id: strconv.Itoa(f.last), text: text, query: q}
	f.byID.Add(made.id, made)
	f.byText[text] = made
	return made, nil
}

// find returns the filter that a request names; nil if it names none.
func (f *filters) find(r *http.Request) (*filter, error) {
	id := r.URL.Query().Get("filter")
	if id == "" {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.byID.Get(id)
	if !ok {
		return nil, errNoFilter
	}
	return found, nil
}

// filterJSON is the answer to api/filter.
type filterJSON struct {
	ID      string  `json:"id"`
	Total   int     `json:"total"`
	Done    float64 `json:"done"`
	Command string  `json:"command"`
}

// filter answers with what a filter has found so far, and has it go on.
func (g *Gallery) filter(w http.ResponseWriter, r *http.Request) error {
	f, err := g.filters.of(r.URL.Query().Get("q"))
	var fault *queryError
	if errors.As(err, &fault) {
		answerQuery(w, fault)
		return nil
	}
	if err != nil {
		return err
	}
	settled := g.set.settled()
	shot := g.set.now(r.Context())
	if f.state(shot).looked < shot.total {
		f.task.ask(r.Context(), g.tasks, func(ctx context.Context) { f.run(ctx, shot) })
	}
	s := f.state(shot)
	if s.err != nil {
		return s.err
	}
	out := filterJSON{ID: f.id, Total: s.found, Done: 1}
	if s.looked < shot.total {
		out.Done = float64(s.looked) / float64(shot.total)
	} else if !settled {
		out.Done = 0.99 // more samples are to come
	}
	words := []string{"shardfs", "pack"}
	for _, p := range g.set.parts {
		words = append(words, p.name.String())
	}
	out.Command = commandLine(append(words, "--keys", keysName, "-o", "selected.tar")...)
	return answer(w, r, out)
}

// settled reports whether all sources were opened, and are indexed.
func (s *set) settled() bool {
	for _, p := range s.parts {
		p.mu.Lock()
		state := p.state
		p.mu.Unlock()
		if state == waiting || state == indexing {
			return false
		}
	}
	return true
}

// selected returns how many samples a request is about, and their numbers by their places.
func (g *Gallery) selected(r *http.Request, shot *snapshot) (total int, at func(i int) int, err error) {
	f, err := g.filters.find(r)
	if err != nil {
		return 0, nil, err
	}
	if f == nil {
		return shot.total, func(i int) int { return i }, nil
	}
	s := f.state(shot)
	return s.found, s.at, nil
}

// keysName is the name of the file with the keys of a selection.
const keysName = "keys.txt"

// keys answers with the keys of a selection, as --keys takes them: one a line, or with a NUL after each if one of them
// has a newline.
func (g *Gallery) keys(w http.ResponseWriter, r *http.Request) error {
	shot := g.set.now(r.Context())
	total, at, err := g.selected(r, shot)
	if err != nil {
		return err
	}
	end := byte('\n')
	err = shot.eachKey(r.Context(), total, at, func(key []byte) bool {
		if bytes.IndexByte(key, '\n') >= 0 {
			end = 0
		}
		return end != 0
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", disposition(keysName))
	if r.Method == http.MethodHead {
		return nil
	}
	to := http.NewResponseController(w)
	out := bufio.NewWriterSize(w, 64<<10)
	n := 0
	err = shot.eachKey(r.Context(), total, at, func(key []byte) bool {
		if n++; n%4096 == 0 {
			to.SetWriteDeadline(time.Now().Add(answerTime))
		}
		out.Write(key)
		return out.WriteByte(end) == nil
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		abort(w)
	}
	return nil
}

// eachKey calls f with the keys of samples that were not deleted, until it returns false. At tells their numbers.
func (s *snapshot) eachKey(ctx context.Context, total int, at func(i int) int, f func(key []byte) bool) error {
	one := subject{ctx: ctx}
	for i := range total {
		if i%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		seg, number, err := s.at(at(i))
		if err != nil {
			return err
		}
		if one.set(seg, number); one.x == nil {
			e, err := one.entry()
			if err != nil {
				return err
			}
			if e.change == deleted {
				continue
			}
		}
		key, err := one.keyBytes()
		if err != nil {
			return err
		}
		if !f(key) {
			return nil
		}
	}
	return nil
}

// abort ends an answer that cannot be completed, so that the client does not take it for a whole one.
func abort(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}
