package gallery

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/shardfs/shardfs/internal/source"
)

// Options configures a Gallery.
type Options struct {
	Names  []source.Name  // shards, mounts and directories
	Source source.Options // how they are opened
	Token  string         // the first part of every path; see CheckToken
	Hosts  []string       // names of this host in requests, besides localhost and its addresses
}

// Gallery answers the requests of the page. It is safe for concurrent use.
type Gallery struct {
	guard  guard
	set    *set
	page   *page
	thumbs *thumbs

	filters   *filters
	allFacets *allFacets
	tasks     *tasks
	numbers   statistics

	ctx    context.Context // of all work that no request waits for
	cancel context.CancelFunc
	busy   sync.WaitGroup // requests
}

// New returns a gallery, whose sources are open until Close. It waits for the first one, and returns its error; others
// are opened in the background.
func New(ctx context.Context, o Options) (*Gallery, error) {
	p, err := newPage()
	if err != nil {
		return nil, err
	}
	g := &Gallery{page: p, thumbs: newThumbs()}
	g.guard.token = o.Token
	for _, host := range o.Hosts {
		g.guard.hosts = append(g.guard.hosts, strings.ToLower(host))
	}
	g.ctx, g.cancel = context.WithCancel(ctx)
	o.Source.Shard.Store = within(o.Names, o.Source.Shard.Store)
	g.set = newSet(o.Names, o.Source)
	g.filters, g.allFacets, g.tasks = newFilters(), newAllFacets(), &tasks{ctx: g.ctx, uses: &g.set.uses}
	if err := g.set.start(g.ctx); err != nil {
		g.cancel()
		g.set.close()
		return nil, err
	}
	return g, nil
}

// Path returns the path of the page.
func (g *Gallery) Path() string { return "/" + g.guard.token + "/" }

// Ticket returns a path that leads to the page once. It can be where others may see it later.
func (g *Gallery) Ticket() string {
	ticket := NewToken()
	g.guard.ticket.Store(&ticket)
	return "/" + ticket
}

// Close ends all work, waits for requests that are still being answered, and closes the sources. The server of the
// gallery must have been shut down.
func (g *Gallery) Close() error {
	g.cancel()
	g.busy.Wait()
	g.tasks.all.Wait()
	return g.set.close()
}

// ServeHTTP implements [http.Handler].
func (g *Gallery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.busy.Add(1)
	defer g.busy.Done()
	protect(w.Header())
	path, status := g.guard.check(r)
	if status != 0 {
		g.guard.refuse(w, status)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	r = r.WithContext(ctx)
	g.set.uses.begin()
	defer g.set.uses.end()
	if err := g.route(w, r, path); err != nil {
		answerError(w, r, err)
	}
}
