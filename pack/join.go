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

// ErrNoMatch means that a shard to be joined has samples, but none for any of the samples of the others.
var ErrNoMatch = errors.New("none of its keys is that of a sample")

// Join is a shard whose members are added to samples with the same keys of other sources. It is not safe for concurrent
// use.
type Join struct {
	Base
	Alone int // number of samples, so far, whose key this shard does not have

	used []bool // by sample number in the shard: whether it was added; nil before Apply
}

// Unused returns how many samples of the shard were not used, after the sequence of Apply has ended.
func (o *Join) Unused() (n int) {
	for _, used := range o.used {
		if !used {
			n++
		}
	}
	return n
}

// Apply adds to samples the members that the shard has for their keys, as new members after their own. If the shard has
// a key more than once, its first sample counts. If both samples have an extension, the error is ErrExtensionConflict, and
// at the end ErrNoMatch if there were samples on both sides, but nothing was added to any.
func (o *Join) Apply(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		o.used = make([]bool, o.Index.Samples())
		for s, err := range samples {
			if err == nil && !s.Empty() {
				err = o.add(&s)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
		if o.Alone > 0 && len(o.used) > 0 && o.Unused() == len(o.used) {
			yield(Sample{}, o.named(fmt.Errorf("%w: its first is %.100q", ErrNoMatch, o.Index.Key(0))))
		}
	}
}

// add adds the members of the sample with the same key.
func (o *Join) add(s *Sample) error {
	number, ok := o.Index.FindKey(s.Key)
	if !ok {
		o.Alone++
		return o.named(o.Index.Err())
	}
	o.used[number] = true
	other := o.Index.Sample(number)
	*s = s.With(slices.Clone(s.Members()))
	for _, m := range rowMembers(o.Index, other.Start, other.End) {
		if slices.ContainsFunc(s.members, func(own Member) bool { return own.Ext == m.Ext }) {
			err := fmt.Errorf("sample %s: %w: %s is in %s, too", s.Path, ErrExtensionConflict, m.Ext, o.Name)
			return s.Base.named(err)
		}
		row := m.Row
		m.File.Open = func() (fs.File, error) { return o.open(row) }
		m.File.Row, m.Row = Changed, Changed
		s.members = append(s.members, m)
	}
	return o.named(o.Index.Err())
}

// open opens a member as a file.
func (o *Join) open(row int) (fs.File, error) {
	content, err := o.Index.Open(row, o.Plain)
	return rowFile{content, o.Index.Member(row)}, o.named(err)
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
