package pack

import (
	"context"
	"iter"
)

// Source has directories of samples.
type Source interface {
	// Dirs yields the directories as they are now: first those with samples of a shard, in tar order, then the others
	// by path. It ends after an error.
	Dirs() iter.Seq2[Dir, error]
}

// Shard yields the samples of a shard, unchanged, and then End. It ends after an error.
func Shard(b Base) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for n := range b.Index.Samples() {
			s := Whole(b, b.Index.Sample(n))
			if err := b.Index.Err(); err != nil {
				yield(Sample{}, b.named(err))
				return
			}
			if !yield(s, nil) {
				return
			}
		}
		yield(End(b), nil)
	}
}

// All yields the samples of a source, and then End of its shard b, which is the zero Base if there is none. It ends
// after an error.
func All(b Base, source Source) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for f, err := range source.Dirs() {
			var samples []Sample
			if err == nil {
				samples, err = Samples(b, f)
			}
			if err != nil {
				yield(Sample{}, b.named(err))
				return
			}
			for _, s := range samples {
				if !yield(s, nil) {
					return
				}
			}
		}
		yield(End(b), nil)
	}
}

// Pack writes samples until their end or an error. When ctx is done, it stops between two samples and returns the
// cause.
func Pack(ctx context.Context, w *Writer, samples iter.Seq2[Sample, error]) error {
	for s, err := range samples {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := w.Write(s); err != nil {
			return err
		}
	}
	return nil
}
