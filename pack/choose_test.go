package pack

import (
	"archive/tar"
	"errors"
	"iter"
	"slices"
	"testing"
)

func TestChoice(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "a.x", "c.x", "README", "d.x"))
	for _, tt := range []struct {
		choice Choice
		all    bool
		want   []string // keys; "" is the end of the shard
	}{
		{Choice{}, true, []string{"a", "b", "a", "c", "d", ""}},
		{Choice{Skip: 2}, false, []string{"a", "c", "d", ""}},
		{Choice{Skip: 9}, false, []string{""}},
		{Choice{Count: 2}, false, []string{"a", "b"}},
		{Choice{Count: 9}, false, []string{"a", "b", "a", "c", "d", ""}},
		{Choice{Keys: map[string]bool{}}, false, []string{""}},
		{Choice{Keys: map[string]bool{"a": true, "d": true}}, false, []string{"a", "a", "d", ""}},
		{Choice{Skip: 1, Keys: map[string]bool{"a": true, "d": true}, Count: 1}, false, []string{"a"}},
	} {
		var got []string
		freed := 0
		for s, err := range tt.choice.Apply(counted(Shard(s.base), &freed)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.Key)
			if s.Free != nil {
				s.Free()
			}
		}
		if !slices.Equal(got, tt.want) || tt.choice.All() != tt.all {
			t.Errorf("%+v: %q, want %q; all: %v", tt.choice, got, tt.want, tt.choice.All())
		}
		if tt.choice.Count == 0 && freed != 5 {
			t.Errorf("%+v: %d samples were freed, want 5", tt.choice, freed)
		}
	}
}

// counted returns samples that count when they are freed.
func counted(samples iter.Seq2[Sample, error], freed *int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for s, err := range samples {
			if !s.Empty() {
				s.Free = func() error { *freed++; return nil }
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// After an error of the samples, or of freeing one, nothing more is yielded.
func TestChoiceErrors(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "c.x"))
	broken := errors.New("broken")
	failing := func(yield func(Sample, error) bool) {
		for s := range Shard(s.base) {
			if s.Key == "b" {
				yield(s, broken)
				return
			}
			s.Free = func() error { return broken }
			if !yield(s, nil) {
				return
			}
		}
	}
	for _, tt := range []struct {
		choice Choice
		want   int // samples before the error
	}{{Choice{}, 1}, {Choice{Skip: 1}, 0}, {Choice{Keys: map[string]bool{"c": true}}, 0}} {
		n := 0
		var last error
		for _, err := range tt.choice.Apply(failing) {
			if last != nil {
				t.Errorf("%+v: more after the error", tt.choice)
			}
			if last = err; err == nil {
				n++
			}
		}
		if !errors.Is(last, broken) || n != tt.want {
			t.Errorf("%+v: %v after %d samples, want %v after %d", tt.choice, last, n, broken, tt.want)
		}
	}
}

func TestOrder(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "b.x", "a.x", "c.x"))
	for _, tt := range []struct {
		order Order
		given bool
		want  []string
	}{
		{Order{}, false, []string{"b", "a", "c"}},
		{Order{Seed: 1}, false, []string{"b", "a", "c"}},
		{Order{Sort: sortByKey}, true, []string{"a", "b", "c"}},
		{Order{Sort: "x"}, true, []string{"a", "b", "c"}},
		{Order{Shuffle: 1}, true, []string{"b", "a", "c"}},
	} {
		if got := keys(t, tt.order.Apply(Shard(s.base))); !slices.Equal(got, tt.want) || tt.order.Given() != tt.given {
			t.Errorf("%+v: %q, want %q; given: %v", tt.order, got, tt.want, tt.order.Given())
		}
	}
}
