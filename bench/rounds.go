package main

import (
	"context"
	"math"
	"slices"
)

// A side is one of the things a measure compares.
type side struct {
	command string                                 // what runs, as the report prints it
	prepare func() error                           // done before each round, not timed; may be nil
	run     func(context.Context) (float64, error) // does the work once and returns the seconds it took
	took    []float64                              // seconds, by round
}

// interleave runs the sides in turn, round by round.
func (b *bench) interleave(ctx context.Context, name string, sides ...*side) error {
	for round := range b.rounds {
		note("%s: round %d of %d", name, round+1, b.rounds)
		for _, s := range sides {
			if s.prepare != nil {
				if err := s.prepare(); err != nil {
					return err
				}
			}
			took, err := s.run(ctx)
			if err != nil {
				return err
			}
			s.took = append(s.took, took)
		}
	}
	return nil
}

// median is the middle of x, or the mean of the two in the middle.
func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// quantile is the smallest element of x that at least so much of x does not exceed.
func quantile(x []float64, part float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[max(int(math.Ceil(part*float64(len(x))))-1, 0)]
}

// medianRatio is the median of a's ratios to b, round by round.
func medianRatio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return median(ratios)
}
