package source

import (
	"errors"
	"fmt"
	"iter"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/pack"
)

// MayGrow reports whether the samples of a name can be read while the shard is being indexed, so that what is fetched of a
// remote shard for its index is used before it is evicted.
func (n Name) MayGrow(o shard.Options) bool {
	return n.Kind == Shard && store.IsRemote(n.Text) && o.IndexFile == "" && !o.AllowTruncated
}

// Found is a sample of a shard that is being indexed, with a base that has it and the samples before it.
type Found struct {
	Base   pack.Base
	Sample index.Sample
}

// errEnough ends the samples when the caller wants no more.
var errEnough = errors.New("no more samples are wanted")

// Found yields the samples of a shard that was opened as it grows, each as soon as it is whole. The scan stays near the
// sample that was yielded last.
func (s *Source) Found() iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		base := s.Base()
		base.Size, base.Grows, base.Index = 0, base.Index, nil
		err := EachSample(s.ctx, s.ui, s.Shard, func(x *index.Index, n int) func() error {
			if base.Index == nil || base.Index.Samples() <= n {
				base.Index = x.Known()
			}
			f := Found{Base: base}
			return func() error {
				f.Sample = f.Base.Index.Sample(n)
				s.Shard.Follow(f.Base.Index.Offset(f.Sample.End))
				if !yield(f, nil) {
					return errEnough
				}
				return nil
			}
		})
		if err != nil && err != errEnough {
			yield(Found{}, err)
		}
	}
}

// FoundAll returns the base of a shard that was opened as it grows, all samples of which were found.
func (s *Source) FoundAll() (pack.Base, error) {
	f, err := s.Shard.Built()
	if err != nil {
		return pack.Base{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	base := s.Base()
	base.Size, base.Grows = f.Map.Plain, base.Index
	return base, nil
}

// found yields what pack.Shard does, as the samples are found.
func (s *Source) found(yield func(pack.Sample, error) bool) {
	for f, err := range s.Found() {
		f.Base.Name = s.Name
		if err != nil {
			yield(pack.Sample{}, err)
			return
		}
		if !yield(pack.Whole(f.Base, f.Sample), nil) {
			return
		}
	}
	base, err := s.FoundAll()
	base.Name = s.Name
	yield(pack.End(base), err)
}
