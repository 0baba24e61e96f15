package source

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"github.com/shardfs/shardfs/internal/table"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// Join is lists of shards, and perhaps a table, whose members are added to the samples of other sources.
type Join struct {
	Partial bool // not all samples were read, so it is not known what is without a partner

	joined []joined
	table  *table.Table // nil: none
	files  []fs.FileInfo
	ui     *ui.UI
}

// joined is what an argument stands for.
type joined struct {
	name    string // for messages
	pack    *pack.Join
	sources []*Source
}

// OpenJoin opens the shards of a Join. Each list acts as one shard: one that has none of the keys may be among others.
func OpenJoin(ctx context.Context, lists [][]string, o Options) (j *Join, err error) {
	j = &Join{ui: o.UI}
	for _, list := range lists {
		j.joined = append(j.joined, joined{name: ui.Count(len(list), "shard"), pack: new(pack.Join)})
		all := &j.joined[len(j.joined)-1]
		for _, text := range list {
			if err := j.open(ctx, all, text, o); err != nil {
				j.Close()
				return nil, err
			}
		}
		if len(list) == 1 {
			all.name = all.sources[0].Name
		}
	}
	return j, nil
}

// open opens a shard of a list.
func (j *Join) open(ctx context.Context, all *joined, text string, o Options) error {
	n, err := Resolve(text)
	if err != nil {
		return err
	}
	n.Kind = Shard // keys can be looked up only in a shard; opening anything else fails
	s, err := Open(ctx, n, o)
	if err != nil {
		return err
	}
	all.sources = append(all.sources, s)
	all.pack.Shards = append(all.pack.Shards, s.namedBase())
	j.files = append(j.files, n.file)
	return nil
}

// AddTable opens a table, whose members come after those of the shards; see [table.Open].
func (j *Join) AddTable(name, key string) (err error) {
	if j.table, err = table.Open(name, key); err == nil {
		j.files = append(j.files, j.table.File())
	}
	return err
}

// Apply adds the members that the shards and the table have for the samples' keys.
func (j *Join) Apply(samples iter.Seq2[pack.Sample, error]) iter.Seq2[pack.Sample, error] {
	for _, o := range j.joined {
		samples = o.pack.Apply(samples)
	}
	if j.table != nil {
		samples = j.table.Apply(samples)
	}
	return samples
}

// Report warns of samples without a match on the other side. Its error wraps ErrCut for each shard that is cut.
func (j *Join) Report() error {
	var cuts []error
	for _, o := range j.joined {
		j.report(o.name, o.pack.Alone, o.pack.Unused(), "sample")
		for _, s := range o.sources {
			cuts = append(cuts, s.CutError())
		}
	}
	if t := j.table; t != nil {
		j.report(t.Name, t.Alone, t.Unused(), "row")
	}
	return errors.Join(cuts...)
}

// Confirm returns an error if one of the shards has changed since it was opened.
func (j *Join) Confirm(ctx context.Context) error {
	for _, o := range j.joined {
		for _, s := range o.sources {
			if err := s.Witness().Confirm(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// report warns of samples to which nothing was added, and of what was added to no sample.
func (j *Join) report(name string, alone, unused int, thing string) {
	if alone > 0 {
		j.ui.Warn("%s: no members for %s", name, ui.Count(alone, "sample"))
	}
	if unused > 0 && !j.Partial {
		j.ui.Warn("%s: %s without a partner, left out", name, ui.Count(unused, thing))
	}
}

// Files returns the local files of the shards and the table.
func (j *Join) Files() []fs.FileInfo { return j.files }

// Close closes the shards.
func (j *Join) Close() {
	for _, o := range j.joined {
		for _, s := range o.sources {
			s.Close()
		}
	}
	if j.table != nil {
		j.table.Close()
	}
}
