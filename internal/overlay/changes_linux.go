package overlay

import (
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/pack"
)

// Kind is what has happened to a sample or file, as the letter that stands for it.
type Kind byte

const (
	Added    Kind = 'A'
	Modified Kind = 'M'
	Deleted  Kind = 'D'
	Renamed  Kind = 'R'
)

func (k Kind) String() string {
	return map[Kind]string{Added: "added", Modified: "modified", Deleted: "deleted", Renamed: "renamed"}[k]
}

// Difference is one difference between the shard and what is there now.
type Difference struct {
	Kind   Kind
	Path   string // where it is now, or was
	From   string // where a renamed sample was; else ""
	Sample bool   // a sample's directory; else a file
}

// Changes yields what differs from the shard: sample by sample in tar order, then what was added.
func (o *Overlay) Changes() iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		next := 0 // number of the sample that comes next if none is gone
		gone := func(end int) bool {
			for ; next < end; next++ {
				if !yield(Difference{Kind: Deleted, Path: o.Shard.Index.Sample(next).Path, Sample: true}, nil) {
					return false
				}
			}
			return true
		}
		for f, err := range o.Folders() {
			if err != nil {
				yield(Difference{}, err)
				return
			}
			end := o.Shard.Index.Samples()
			if f.Sample != nil {
				end = f.Sample.Number
			}
			if !gone(end) {
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
		gone(o.Shard.Index.Samples())
	}
}

// differences returns what differs in one directory.
func (o *Overlay) differences(f pack.Folder) []Difference {
	var all []Difference
	switch {
	case f.Sample == nil && f.Path != "":
		all = append(all, Difference{Kind: Added, Path: f.Path, Sample: true})
	case f.Moved:
		all = append(all, Difference{Kind: Renamed, Path: f.Path, From: f.Sample.Path, Sample: true})
	}
	if f.Untouched {
		return all
	}
	var members []pack.File
	shard := make(map[string]bool) // names of the files that the shard has
	if f.Sample != nil {
		members = pack.MemberFiles(o.Shard.Index, *f.Sample, func(string) bool { return true })
		shard[index.KeyFile], shard[index.SourceFile] = true, true
	}
	for _, m := range members {
		shard[m.Name] = true
	}
	files := slices.Clone(f.Files)
	slices.SortFunc(files, func(a, b pack.File) int { return strings.Compare(a.Name, b.Name) })
	there := make(map[string]bool, len(files))
	for _, file := range files {
		there[file.Name] = true
		switch {
		case file.Row != pack.Changed:
		case shard[file.Name]:
			all = append(all, Difference{Kind: Modified, Path: path.Join(f.Path, file.Name)})
		default:
			all = append(all, Difference{Kind: Added, Path: path.Join(f.Path, file.Name)})
		}
	}
	for _, m := range members {
		if !there[m.Name] {
			all = append(all, Difference{Kind: Deleted, Path: path.Join(f.Path, m.Name)})
		}
	}
	for _, sub := range f.Folders {
		all = append(all, o.differences(sub)...)
	}
	return all
}
