package pack

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"
)

// Draw yields n samples drawn at random, or all if there are fewer, in the order of the sequence. Each set of n samples is
// as likely as any other. The same samples, n and seed give the same choice everywhere: random numbers come from PCG of
// package math/rand/v2 with the seed (seed, 0). At most n samples are in memory, and all others are freed. It yields
// nothing before the end of the sequence. Numbers, if not nil, then gets the numbers of these samples in the sequence.
// A Writer of them needs Options.Reordered if their shards are closed when they are freed.
func Draw(samples iter.Seq2[Sample, error], n int, seed uint64, numbers *[]int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		type drawn struct {
			Sample
			number int
		}
		random := rand.New(rand.NewPCG(seed, 0))
		var kept []drawn
		seen := 0
		for s, err := range samples {
			if err == nil && !s.Empty() {
				next := drawn{s, seen}
				seen++
				if len(kept) < n {
					kept = append(kept, next)
					continue
				}
				if i := random.IntN(seen); i < n {
					kept[i], next = next, kept[i]
				}
				s = next.Sample
			}
			if err == nil && s.Free != nil {
				err = s.Free()
			}
			if err != nil {
				yield(Sample{}, err)
				return
			}
		}
		slices.SortFunc(kept, func(a, b drawn) int { return cmp.Compare(a.number, b.number) })
		for _, s := range kept {
			if numbers != nil {
				*numbers = append(*numbers, s.number)
			}
		}
		for _, s := range kept {
			if !yield(s.Sample, nil) {
				return
			}
		}
	}
}
