package pack

import (
	"archive/tar"
	"errors"
	"iter"
	"slices"
	"strings"
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
		{Choice{Skip: 9, AllowEmpty: true}, false, []string{""}},
		{Choice{None: true, AllowEmpty: true}, false, nil},
		{Choice{Keys: some("d"), Count: 1}, false, []string{"d"}},
		{Choice{Keys: some("d", "a"), Count: 1}, false, []string{"a"}}, // reads on until d is found
		{Choice{Keys: some("d", "x"), IgnoreMissing: true}, false, []string{"d", ""}},
		{Choice{Count: 2}, false, []string{"a", "b"}},
		{Choice{Count: 9}, false, []string{"a", "b", "a", "c", "d", ""}},
		{Choice{Keys: some(), AllowEmpty: true}, false, []string{""}},
		{Choice{Keys: some("a", "d", "a")}, false, []string{"a", "a", "d", ""}},
		{Choice{Skip: 1, Keys: some("a", "d"), Count: 1}, false, []string{"a"}},
	} {
		var got []string
		freed := 0
		for s, err := range NewChooser("s", tt.choice).Apply(counted(Shard(s.base), &freed)) {
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
		if tt.choice.Count == 0 && !tt.choice.None && freed != 5 {
			t.Errorf("%+v: %d samples were freed, want 5", tt.choice, freed)
		}
	}
}

// some returns a list of keys.
func some(list ...string) *Keys { return NewKeys("list", list) }

// Samples of several sequences are counted over all, and a mistake is known at the end.
func TestChoiceOfParts(t *testing.T) {
	c := NewChooser("all", Choice{Skip: 1, Keys: some("b", "c", "z"), Count: 2})
	var got []string
	for _, names := range []string{"a.x b.x", "d.x", "c.x e.x", "b.x"} {
		s := newShard(t, makeTar(t, tar.FormatUSTAR, strings.Fields(names)...))
		for s, err := range c.ApplyPart(Shard(s.base)) {
			if err != nil {
				t.Fatalf("%s: %v", names, err)
			}
			if !s.Empty() {
				got = append(got, s.Key)
			}
		}
	}
	if !slices.Equal(got, []string{"b", "c"}) || c.Seen != 6 {
		t.Errorf("%q of %d", got, c.Seen)
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), `all: list: 1 of 3 keys are in no sample: "z"`) {
		t.Errorf("%v, want that z is missing", err)
	}
}

// A choice that was a mistake is an error after the samples.
func TestChoiceMistaken(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatGNU, "./a.x", "b c.x", "Été.x", "d/e.x"))
	for _, tt := range []struct {
		choice     Choice
		want, hint string
	}{
		{Choice{Skip: 4}, "in: no sample is left: there are 4, and 4 are skipped", ""},
		{Choice{None: true}, "in: no sample is left: none is to be taken", ""},
		{Choice{Keys: some()}, "in: no sample is left: none of 4 is chosen", ""},
		{Choice{Keys: some("x"), IgnoreMissing: true}, "in: no sample is left: none of 4 is chosen", ""},
		{Choice{Keys: some("b c"), Skip: 2}, "in: no sample is left: none of 4 is chosen", ""},
		{
			Choice{Keys: some("x", "b c", "y", "z", "w", "v")},
			`in: list: 5 of 6 keys are in no sample: "x", "y", "z", ...`, "",
		},
		{
			Choice{Keys: some("b c "), Count: 1}, `in: list: 1 of 1 keys are in no sample: "b c "`,
			`a sample has the key "b c": blanks count`,
		},
		{
			Choice{Keys: some("\ufeffb c", "d/e")}, `in: list: 1 of 2 keys are in no sample: "\ufeffb c"`,
			`a sample has the key "b c": the list begins with a byte-order mark`,
		},
		{
			Choice{Keys: some("./a\r", "b c\r")}, `in: list: 2 of 2 keys are in no sample: "./a\r", "b c\r"`,
			`a sample has the key "./a": its lines end in CR LF; tr -d '\r' mends that`,
		},
		{
			Choice{Keys: some("a")}, `in: list: 1 of 1 keys are in no sample: "a"`,
			`a sample has the key "./a": keys are as in the tar, with ./ and / if it has them`,
		},
		{
			Choice{Keys: some("./d/e")}, `in: list: 1 of 1 keys are in no sample: "./d/e"`,
			`a sample has the key "d/e": keys are as in the tar, with ./ and / if it has them`,
		},
		{
			Choice{Keys: some("d/e.x")}, `in: list: 1 of 1 keys are in no sample: "d/e.x"`,
			`a sample has the key "d/e": a key has no extension`,
		},
		{
			Choice{Keys: some(`\u00c9t\u00e9`)}, `in: list: 1 of 1 keys are in no sample: "\\u00c9t\\u00e9"`,
			`a sample has the key "Été": keys are neither quoted nor escaped, as ls prints them into a pipe`,
		},
		{
			Choice{Keys: some("D/E")}, `in: list: 1 of 1 keys are in no sample: "D/E"`,
			`a sample has the key "d/e": keys are compared byte by byte`,
		},
		{
			Choice{Keys: some("d/e/")}, `in: list: 1 of 1 keys are in no sample: "d/e/"`,
			`a sample has the key "d/e": a key has no slash at its end`,
		},
	} {
		var last error
		for _, err := range NewChooser("in", tt.choice).Apply(Shard(s.base)) {
			if last != nil {
				t.Errorf("%+v: more after the error", tt.choice)
			}
			last = err
		}
		hint := ""
		if missing := (*MissingKeysError)(nil); errors.As(last, &missing) {
			hint = missing.Hint()
		}
		if last == nil || last.Error() != tt.want || hint != tt.hint {
			t.Errorf("%v, hint %s, want %s, hint %s", last, hint, tt.want, tt.hint)
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
	}{{Choice{}, 1}, {Choice{Skip: 1}, 0}, {Choice{Keys: some("c")}, 0}} {
		n := 0
		var last error
		for _, err := range NewChooser("s", tt.choice).Apply(failing) {
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
