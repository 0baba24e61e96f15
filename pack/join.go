package pack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/shardfs/shardfs/index"
)

// ErrExtensionConflict means that two samples to be joined have a common extension.
var ErrExtensionConflict = errors.New("clash of extensions")

// ErrNoMatch means that the shards to be joined have samples, but none for any of the samples of the others.
var ErrNoMatch = errors.New("none of its keys is that of a sample")

// Join is a list of shards whose members are added to samples with the same keys of other sources. It is not safe for
// concurrent use.
type Join struct {
	Shards []Base
	Alone  int // number of samples, so far, whose key no shard has

	used [][]bool // by shard and number of the sample in it: whether it was added; nil before Apply
}

// Unused returns how many samples of the shards were not used, after the sequences of Apply have ended.
func (o *Join) Unused() (n int) {
	for _, shard := range o.used {
		for _, used := range shard {
			if !used {
				n++
			}
		}
	}
	return n
}

// samples returns how many samples the shards have, and the first shard that has some.
func (o *Join) samples() (n int, first *Base) {
	for i, b := range o.Shards {
		if b.Index.Samples() > 0 && first == nil {
			first = &o.Shards[i]
		}
		n += b.Index.Samples()
	}
	return n, first
}

// Apply adds to samples the members that the shards have for their keys, as new members after their own. If they have a
// key more than once, the first sample counts. If both samples have an extension, the error is ErrExtensionConflict, and
// at the end ErrNoMatch if there were samples on both sides, but nothing was added to any, also not in sequences before.
func (o *Join) Apply(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for len(o.used) < len(o.Shards) { // else this is not the first sequence
			o.used = append(o.used, make([]bool, o.Shards[len(o.used)].Index.Samples()))
		}
		for s, err := range samples {
			if err == nil && !s.Empty() {
				err = o.add(&s)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
		if n, first := o.samples(); o.Alone > 0 && n > 0 && o.Unused() == n {
			yield(Sample{}, first.named(fmt.Errorf("%w: its first is %.100q", ErrNoMatch, first.Index.Key(0))))
		}
	}
}

// add adds the members of the sample with the same key.
func (o *Join) add(s *Sample) error {
	for i := range o.Shards {
		b := &o.Shards[i]
		number, ok := b.Index.FindKey(s.Key)
		if ok {
			o.used[i][number] = true
			return b.addTo(s, number)
		}
		if err := b.Index.Err(); err != nil {
			return b.named(err)
		}
	}
	o.Alone++
	return nil
}

// addTo adds the members of a sample to another one.
func (b *Base) addTo(s *Sample, number int) error {
	other := b.Index.Sample(number)
	*s = s.With(slices.Clone(s.Members()))
	for _, m := range rowMembers(b.Index, other.Start, other.End) {
		if slices.ContainsFunc(s.members, func(own Member) bool { return own.Ext == m.Ext }) {
			err := fmt.Errorf("sample %s: %w: %s is in %s, too", s.Path, ErrExtensionConflict, m.Ext, b.Name)
			return s.Base.named(err)
		}
		row := m.Row
		m.File.Open = func() (fs.File, error) { return b.open(row) }
		m.File.Row, m.Row = Changed, Changed
		s.members = append(s.members, m)
	}
	return b.named(b.Index.Err())
}

// open opens a member as a file.
func (b *Base) open(row int) (fs.File, error) {
	content, err := b.Index.Open(row, b.Plain)
	return rowFile{content, b.Index.Member(row)}, b.named(err)
}

// rowFile is a member of a shard as a file.
type rowFile struct {
	*io.SectionReader
	member index.Member
}

func (f rowFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f rowFile) Close() error               { return nil }

func (f rowFile) Name() string       { return f.member.Ext }
func (f rowFile) Mode() fs.FileMode  { return 0o644 }
func (f rowFile) ModTime() time.Time { return f.member.ModTime }
func (f rowFile) IsDir() bool        { return false }
func (f rowFile) Sys() any           { return nil }
