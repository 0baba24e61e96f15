package gallery

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/shardfs/shardfs/internal/picture"
	"github.com/shardfs/shardfs/internal/ui"
)

// Limits of a listing.
const (
	mostCount   = 500
	mostMembers = 64 // of a sample in a listing of many
)

// samplesJSON is the answer to api/samples.
type samplesJSON struct {
	Total   int          `json:"total"`
	Samples []sampleJSON `json:"samples"`
}

// sampleJSON is a sample in the answer to api/samples.
type sampleJSON struct {
	N       int               `json:"n"`
	Shard   int               `json:"shard"`
	Key     string            `json:"key"`
	Change  string            `json:"change"`
	Members []memberJSON      `json:"members"`
	More    int               `json:"more,omitempty"` // members that are left out
	Cells   map[string]string `json:"cells"`
	Error   string            `json:"error,omitempty"`
}

// memberJSON is a member in the answer to api/samples.
type memberJSON struct {
	M      int    `json:"m"`
	Ext    string `json:"ext"`
	Size   int64  `json:"size"`
	Kind   string `json:"kind"`
	Change string `json:"change,omitempty"`
}

// samples answers with some samples, in their order.
func (g *Gallery) samples(w http.ResponseWriter, r *http.Request) error {
	from, err := parameter(r, "from", 0, 1<<53)
	if err != nil {
		return err
	}
	count, err := parameter(r, "count", 100, mostCount)
	if err != nil {
		return err
	}
	shot := g.set.now(r.Context())
	total, at, err := g.selected(r, shot)
	if err != nil {
		return err
	}
	out := samplesJSON{Total: total, Samples: make([]sampleJSON, 0, count)}
	var numbers []int
	for i := from; i < min(from+count, total); i++ {
		numbers = append(numbers, at(i))
	}
	shot.announce(numbers)
	for _, n := range numbers {
		s, err := shot.sample(r.Context(), n)
		if r.Context().Err() != nil {
			return context.Cause(r.Context())
		}
		if err != nil {
			s.Error = errorText(err)
		}
		out.Samples = append(out.Samples, s)
	}
	return answer(w, r, out)
}

// sample returns a sample for a listing.
func (s *snapshot) sample(ctx context.Context, n int) (sampleJSON, error) {
	out := sampleJSON{N: n, Members: []memberJSON{}, Cells: map[string]string{}}
	seg, number, err := s.at(n)
	if err != nil {
		return out, err
	}
	out.Shard = seg.number
	e, err := seg.samples.entry(number)
	if err != nil {
		return out, err
	}
	out.Key, out.Change = e.key, e.change
	for m := range e.members {
		if m == mostMembers {
			out.More = len(e.members) - m
			break
		}
		of := &e.members[m]
		kind := picture.Kind(of.ext)
		out.Members = append(out.Members, memberJSON{m, of.ext, of.size, kind, of.change})
		if of.change != deleted || e.change == deleted {
			if text, ok := cell(ctx, seg.samples, of, kind); ok && len(out.Cells) < mostCells {
				out.Cells[of.ext] = text
			}
		}
	}
	return out, nil
}

// detailJSON is the answer to api/sample.
type detailJSON struct {
	N        int            `json:"n"`
	Shard    int            `json:"shard"`
	Key      string         `json:"key"`
	From     string         `json:"from,omitempty"`
	Source   string         `json:"source"`
	Change   string         `json:"change"`
	Position int            `json:"position"` // in its shard
	Members  []detailMember `json:"members"`
	Overlays []overlayJSON  `json:"overlays"`
	Command  string         `json:"command"`
}

// detailMember is a member in the answer to api/sample.
type detailMember struct {
	M       int        `json:"m"`
	Name    string     `json:"name"`
	Ext     string     `json:"ext"`
	Size    int64      `json:"size"`
	Offset  *int64     `json:"offset"` // in the plain shard; null for a file
	ModTime *time.Time `json:"mtime"`
	Kind    string     `json:"kind"`
	Picture *sizeJSON  `json:"picture,omitempty"`
	Change  string     `json:"change"`
	Command string     `json:"command,omitempty"`
}

// sizeJSON is what a picture is.
type sizeJSON struct {
	Format string `json:"format"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// mostDetails is how many members of a sample are described.
const mostDetails = 10_000

// mostSizes is how many pictures of a sample are looked into for their sizes.
const mostSizes = 16

// sample answers with all that is known of a sample.
func (g *Gallery) sample(w http.ResponseWriter, r *http.Request, n int) error {
	shot := g.set.now(r.Context())
	seg, number, err := shot.at(n)
	if err != nil {
		return err
	}
	e, err := seg.samples.entry(number)
	if err != nil {
		return err
	}
	seg.announceOne(number)
	shown := seg.part.name.String()
	out := detailJSON{
		N: n, Shard: seg.number, Key: e.key, From: e.from, Source: shown, Change: e.change, Position: number,
		Members: []detailMember{}, Command: commandOf(shown, e.key),
	}
	x, _ := seg.samples.unchanged(number)
	pictures := 0
	for i := range e.members[:min(len(e.members), mostDetails)] {
		m := &e.members[i]
		d := detailMember{
			M: i, Name: e.name(i), Ext: m.ext, Size: m.size, Kind: picture.Kind(m.ext), Change: m.change,
		}
		if !m.mtime.IsZero() {
			d.ModTime = &m.mtime
		}
		if m.file == nil {
			if x != nil {
				off, _ := x.Content(m.row)
				d.Offset = &off
			}
			d.Command = commandOf(shown, e.name(i))
		}
		if d.Kind == "picture" && pictures < mostSizes {
			pictures++
			d.Picture = sizeOf(r.Context(), seg.samples, m)
		}
		out.Members = append(out.Members, d)
	}
	out.Overlays = overlays(r.Context(), seg.samples, &e)
	if r.Context().Err() != nil {
		return context.Cause(r.Context())
	}
	return answer(w, r, out)
}

// commandOf returns the command line that writes a sample or a member.
func commandOf(shard, name string) string {
	words := []string{"shardfs", "cat", shard}
	if len(name) > 0 && name[0] == '-' {
		words = append(words, "--")
	}
	return commandLine(append(words, name)...)
}

// sizeOf returns what a picture is; nil if that cannot be told.
func sizeOf(ctx context.Context, s samples, m *member) *sizeJSON {
	c, err := s.open(ctx, m, m.change == deleted)
	if err != nil {
		return nil
	}
	defer c.Close()
	info, err := picture.Config(c, c.size)
	if err != nil {
		return nil
	}
	return &sizeJSON{info.Format, info.Width, info.Height}
}

// errorText returns an error for the page.
func errorText(err error) string { return ui.Printable(fmt.Sprint(err)) }
