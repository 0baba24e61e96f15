package overlay

import (
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/pack"
)

// The kinds of a Difference.
const (
	added    = "added"
	modified = "modified"
	deleted  = "deleted"
	renamed  = "renamed"
)

// Difference is one difference between the shard and its samples as they are now.
type Difference struct {
	Kind   string // "added", "modified", "deleted" or "renamed"
	Path   string // path of the sample or file; if it was deleted, its old path
	From   string // old path of a renamed sample; else ""
	Sample bool   // Path is the directory of a sample, not a file
}

// Letter returns the letter for the kind: A, M, D or R.
func (d Difference) Letter() byte { return d.Kind[0] - 'a' + 'A' }

// Changes yields the differences from the shard: sample by sample in tar order, then additions. It ends at the first
// error.
func (o *Overlay) Changes() iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		next := 0 // number of the next sample of the shard
		yieldDeleted := func(end int) bool {
			for ; next < end; next++ {
				if !yield(Difference{Kind: deleted, Path: o.Shard.Index.Sample(next).Path, Sample: true}, nil) {
					return false
				}
			}
			return true
		}
		for f, err := range o.Dirs() {
			if err != nil {
				yield(Difference{}, err)
				return
			}
			end := o.Shard.Index.Samples()
			if f.Sample != nil {
				end = f.Sample.Number
			}
			if !yieldDeleted(end) {
				return
			}
			if f.Sample != nil {
				next++
			}
			for _, d := range o.differences(f) {
				if !yield(d, nil) {
					return
				}
			}
		}
		yieldDeleted(o.Shard.Index.Samples())
	}
}

// differences returns the differences in one directory.
func (o *Overlay) differences(f pack.Dir) []Difference {
	var all []Difference
	switch {
	case f.Sample == nil && f.Path != "":
		all = append(all, Difference{Kind: added, Path: f.Path, Sample: true})
	case f.Renamed:
		all = append(all, Difference{Kind: renamed, Path: f.Path, From: f.Sample.Path, Sample: true})
	}
	if f.Untouched {
		return all
	}
	var members []pack.DirFile
	shard := make(map[string]bool) // names of the files that the shard has
	if f.Sample != nil {
		members = pack.MemberFiles(o.Shard.Index, *f.Sample, func(string) bool { return true })
		shard[index.KeyFile], shard[index.SourceFile] = true, true
	}
	for _, m := range members {
		shard[m.Name] = true
	}
	files := slices.Clone(f.Files)
	slices.SortFunc(files, func(a, b pack.DirFile) int { return strings.Compare(a.Name, b.Name) })
	present := make(map[string]bool, len(files))
	for _, file := range files {
		present[file.Name] = true
		switch {
		case file.Row != pack.Changed:
		case shard[file.Name]:
			all = append(all, Difference{Kind: modified, Path: path.Join(f.Path, file.Name)})
		default:
			all = append(all, Difference{Kind: added, Path: path.Join(f.Path, file.Name)})
		}
	}
	for _, m := range members {
		if !present[m.Name] {
			all = append(all, Difference{Kind: deleted, Path: path.Join(f.Path, m.Name)})
		}
	}
	for _, sub := range f.Dirs {
		all = append(all, o.differences(sub)...)
	}
	return all
}
