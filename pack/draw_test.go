package pack

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
)

// numbered yields n samples with their numbers as keys, each followed by one without members, and counts those freed.
func numbered(n int, freed *int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for i := range n {
			s := New(fmt.Sprint(i), []Member{TextMember("txt", nil)})
			s.Free = func() error { *freed++; return nil }
			if !yield(s, nil) || !yield(Sample{}, nil) {
				return
			}
		}
	}
}

// Samples are drawn in order, each equally often, the same ones with the same seed, and what is not drawn is freed.
func TestDraw(t *testing.T) {
	const n, of, rounds = 3, 10, 3000
	var counts [of]int
	for seed := range uint64(rounds) {
		freed := 0
		var got, numbers []int
		for s, err := range Draw(numbered(of, &freed), n, seed, &numbers) {
			var i int
			if _, scanErr := fmt.Sscan(s.Key, &i); err != nil || scanErr != nil {
				t.Fatal(err, scanErr)
			}
			got = append(got, i)
			counts[i]++
		}
		if len(got) != n || !slices.IsSorted(got) || !slices.Equal(got, numbers) || freed != of-n {
			t.Fatalf("seed %d: %v, %d freed", seed, got, freed)
		}
		if seed == 1 && !slices.Equal(got, []int{1, 2, 6}) {
			t.Errorf("seed 1: %v: the choice must never change", got)
		}
	}
	for i, c := range counts {
		if want := rounds * n / of; c < want*8/10 || c > want*12/10 { // by fixed seeds, so this is no chance
			t.Errorf("sample %d was drawn %d times, want about %d", i, c, want)
		}
	}
	freed := 0
	all := 0
	for range Draw(numbered(2, &freed), n, 0, nil) {
		all++
	}
	if all != 2 || freed != 0 {
		t.Errorf("of 2 samples %d were drawn and %d freed", all, freed)
	}
	failed := errors.New("failed")
	for s, err := range Draw(func(yield func(Sample, error) bool) { yield(Sample{}, failed) }, n, 0, nil) {
		if !errors.Is(err, failed) {
			t.Errorf("%q, %v", s.Key, err)
		}
	}
}
