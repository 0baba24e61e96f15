package difference

import (
	"iter"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/pack"
)

// OfShard yields the samples of a shard. Each takes as little memory as its number.
func OfShard(b pack.Base) Side {
	return func(yield func(Sample, error) bool) {
		for n := range b.Index.Samples() {
			if !yield(&inShard{&b, n}, b.Index.Err()) || b.Index.Err() != nil {
				return
			}
		}
	}
}

// inShard is a sample of a shard.
type inShard struct {
	base   *pack.Base
	number int
}

// Key implements Sample.
func (s *inShard) Key() string { return s.base.Index.Key(s.number) }

// Base implements Sample.
func (s *inShard) Base() pack.Base { return *s.base }

// Free implements Sample.
func (s *inShard) Free() error { return nil }

// Members implements Sample.
func (s *inShard) Members() (list []pack.Member) {
	x := s.base.Index
	start, end := x.SampleRows(s.number)
	for _, f := range pack.MemberFiles(x, index.Sample{Start: start, End: end}, func(string) bool { return true }) {
		list = append(list, pack.Member{Ext: x.Member(f.Row).Ext, File: f, Row: f.Row})
	}
	return list
}

// Of yields samples of any source. A sample without members stands for none; what it frees is freed when no sample before
// it waits for a partner.
func Of(samples iter.Seq2[pack.Sample, error]) Side {
	return func(yield func(Sample, error) bool) {
		o := &order{}
		for s, err := range samples {
			if err == nil && s.Empty() {
				err = o.after(s.Free)
				if err == nil {
					continue
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			o.open++
			if !yield(&anywhere{s, o}, nil) {
				return
			}
		}
	}
}

// order knows what is still to be freed after the samples before it.
type order struct {
	open int // samples that are not freed
	wait []func() error
}

// after has something freed when no sample is open.
func (o *order) after(free func() error) error {
	if free != nil {
		o.wait = append(o.wait, free)
	}
	return o.free()
}

func (o *order) free() error {
	if o.open > 0 {
		return nil
	}
	for _, free := range o.wait {
		if err := free(); err != nil {
			return err
		}
	}
	o.wait = nil
	return nil
}

// anywhere is a sample of any source.
type anywhere struct {
	sample pack.Sample
	order  *order
}

// Key implements Sample.
func (s *anywhere) Key() string { return s.sample.Key }

// Base implements Sample.
func (s *anywhere) Base() pack.Base { return s.sample.Base }

// Members implements Sample.
func (s *anywhere) Members() []pack.Member { return s.sample.Members() }

// Free implements Sample.
func (s *anywhere) Free() error {
	s.order.open--
	if s.sample.Free != nil {
		if err := s.sample.Free(); err != nil {
			return err
		}
	}
	return s.order.free()
}
