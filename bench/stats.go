package main

import (
	"math"
	"slices"
)

// median returns the middle element of x, or the mean of the two in the middle.
func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// quantile returns the smallest element of x such that at least that share of x is not greater.
func quantile(x []float64, share float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[max(int(math.Ceil(share*float64(len(x))))-1, 0)]
}

// medianRatio returns the median of a's ratios to b, round by round.
func medianRatio(a, b []float64) float64 {
	n := min(len(a), len(b))
	ratios := make([]float64, n)
	for i := range n {
		ratios[i] = a[i] / b[i]
	}
	return median(ratios)
}
