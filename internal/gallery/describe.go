package gallery

import (
	"fmt"
	"net/http"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// setJSON is the answer to api/set.
type setJSON struct {
	Title   string      `json:"title"`
	Shards  []shardJSON `json:"shards"`
	Samples int         `json:"samples"`
	// Generation changes when samples get other numbers, or a mount has changed.
	Generation int    `json:"generation"`
	Mount      bool   `json:"mount"`
	Command    string `json:"command"`
}

// shardJSON is a shard in the answer to api/set.
type shardJSON struct {
	Name    string  `json:"name"`
	First   int     `json:"first"` // number of its first sample
	Samples int     `json:"samples"`
	Bytes   int64   `json:"bytes"`
	State   string  `json:"state"`
	Done    float64 `json:"done"`
	Error   string  `json:"error,omitempty"`
}

// describe answers with what the set is.
func (g *Gallery) describe(w http.ResponseWriter, r *http.Request) error {
	g.set.now(r.Context()) // finds out what is new
	out := setJSON{Title: g.set.title(), Shards: make([]shardJSON, len(g.set.parts))}
	words := []string{"shardfs", "ls"}
	for i, p := range g.set.parts {
		words = append(words, p.name.String())
		out.Shards[i] = p.describe()
		p.mu.Lock()
		out.Mount = out.Mount || p.src != nil && p.src.Changes != nil
		p.mu.Unlock()
	}
	out.Command = commandLine(words...)
	shot := g.set.now(r.Context()) // it has all samples of the parts that are ready
	out.Samples, out.Generation = shot.total, shot.generation
	for i := range shot.segments {
		s := &shot.segments[i]
		out.Shards[s.number].First, out.Shards[s.number].Samples = s.first, s.samples.count()
	}
	return answer(w, r, out)
}

// title returns the title of the page.
func (s *set) title() string {
	if len(s.parts) == 1 {
		return ui.Printable(s.parts[0].name.String())
	}
	return fmt.Sprintf("%s and %d more", ui.Printable(s.parts[0].name.String()), len(s.parts)-1)
}

// describe returns what is known of a part.
func (p *part) describe() shardJSON {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := shardJSON{Name: p.name.String(), State: p.state, Bytes: p.size.Load()}
	if p.src != nil && p.src.Shard != nil {
		s.Bytes = p.src.Shard.Origin.Size
	}
	switch {
	case p.state == ready:
		s.Done = 1
	case s.Bytes > 0:
		s.Done = min(float64(p.done.Load())/float64(s.Bytes), 1)
	}
	if p.err != nil {
		s.Error = ui.Printable(store.RedactText(p.err.Error()))
	}
	return s
}
