package source

import (
	"io"
	"iter"
	"slices"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// Total estimates how many samples names have that are opened one after the other: those of the opened ones are known,
// the others have as many in proportion to their size, or each as many if sizes are not known, as those of remote shards.
type Total struct {
	names   []Name
	opened  map[int]int // samples of each name that was opened
	samples int64       // of all; 0 if that cannot be told
}

// NewTotal returns the Total of names, of which none is opened.
func NewTotal(names []Name) *Total { return &Total{names: names, opened: make(map[int]int)} }

// Opened says how many samples a name has; 0 if that is not known.
func (t *Total) Opened(number, samples int) {
	t.opened[number] = samples
	t.samples = 0
	var found, known, all int64
	sizes := !slices.ContainsFunc(t.names, func(n Name) bool { return store.IsRemote(n.Text) })
	for i, name := range t.names {
		n, opened := t.opened[i]
		size := int64(1)
		if sizes {
			size = name.size()
		}
		if opened && n == 0 || !opened && size == 0 || !opened && name.Kind != Shard {
			return
		}
		all += size
		if opened {
			found, known = found+int64(n), known+size
		}
	}
	if t.samples = found; known > 0 {
		t.samples = int64(float64(found) * float64(all) / float64(known))
	}
}

// Chosen returns how many of the samples are chosen, and whether that is an estimate; 0 if it cannot be told.
func (t *Total) Chosen(c pack.Choice) (n int64, about bool) {
	n = max(t.samples-int64(c.Skip), 0)
	if c.Keys != nil {
		n = min(n, int64(len(c.Keys.List())))
	}
	if c.Count > 0 {
		n = min(n, int64(c.Count))
	}
	return n, len(t.opened) < len(t.names)
}

// size returns the size of a shard in a local file, else 0.
func (n Name) size() int64 {
	if n.file == nil {
		return 0
	}
	return n.file.Size()
}

// Position returns how many bytes of the source were read, and how many it has; 0 if that is not known. Plain is how many
// bytes its samples so far have, and sh is its shard, or nil.
func (n Name) Position(o Options, sh *shard.Shard, plain int64) (at, size int64) {
	if sh != nil && sh.Format == codec.Plain {
		return plain, sh.Plain()
	}
	if n.Text != Stdin || o.Stdin == nil {
		return plain, 0
	}
	info, err := o.Stdin.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return plain, 0
	}
	if at, err = o.Stdin.Seek(0, io.SeekCurrent); err != nil {
		return plain, 0
	}
	return at, info.Size()
}

// Shown yields samples that come from the list, and shows how many of them the caller is done with.
func (l *List) Shown(samples iter.Seq2[pack.Sample, error], c pack.Choice) iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		p := l.o.UI.StartProgress("pack")
		if p == nil {
			samples(yield)
			return
		}
		defer p.Done()
		var now ui.Work
		for s, err := range samples {
			var size int64
			if err == nil && !s.Empty() {
				size = s.Size()
			}
			if !yield(s, err) || err != nil {
				return
			}
			if s.Empty() {
				continue
			}
			now.Samples++
			now.Bytes += size
			now.Total, now.About = l.total.Chosen(c)
			if now.Total == 0 && len(l.names) == 1 {
				now.Bytes, now.Size = l.names[0].Position(l.o, l.sources[0].Shard, now.Bytes)
			}
			p.Set(now)
		}
	}
}

// Scans shows how far shards are read that are scanned one after the other.
type Scans struct {
	shown     *ui.Progress // nil if no progress is shown
	only      bool         // there is one shard
	read, all int64        // bytes of the shards before the current one, and of all; 0 if not known
}

// ShowScans begins to show the scans of shards; what is the verb.
func ShowScans(u *ui.UI, what string, names []string) *Scans {
	s := &Scans{shown: u.StartProgress(what), only: len(names) == 1}
	for _, name := range names {
		n, err := Resolve(name)
		if s.all += n.size(); err != nil || n.size() == 0 {
			s.all = 0
			break
		}
	}
	return s
}

// Begin returns the function to call with how much of the next shard is read.
func (s *Scans) Begin() func(read, size int64) {
	if s.shown == nil {
		return nil
	}
	before := s.read
	return func(read, size int64) {
		s.read = before + read
		now := ui.Work{Bytes: s.read, Size: s.all}
		if s.only {
			now.Size = size
		}
		s.shown.Set(now)
	}
}

// Done ends what ShowScans has begun.
func (s *Scans) Done() { s.shown.Done() }
