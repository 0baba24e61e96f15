package pack

import (
	"archive/tar"
	"bytes"
	"errors"
	"iter"
	"strings"
	"testing"
)

// Adjacent samples of one key are an error that names the sample, unless they are renamed.
func TestPackNeighbours(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "a.x", "c.x"))
	for _, tt := range []struct {
		story   string
		changes changes
		renamed string
	}{
		{"two samples of one key that become neighbours", changes{"b": dropped}, "a.x a~2.x=a.x c.x"},
		{"a sample gets the key of the one before", changes{"b": {write("__key__", "a")}},
			"a.x a~2.x=b.x a~3.x=a.x c.x"},
		{"a sample gets the key of the next one", changes{"a": {write("__key__", "b")}}, "b.x=a.x b~2.x=b.x a.x c.x"},
		{"a nested sample has its parent's key, which was renamed",
			changes{"c": {move("n"), sub(added("c/m", "sample.x=1", "__key__=n"))}},
			"a.x b.x a~2.x=a.x n.x=c.x n~2.x=1"},
	} {
		for _, o := range []Duplicates{RefuseDuplicates, KeepDuplicates} {
			_, _, err := packed(s.base, s.dirs(tt.changes), Options{Duplicates: o})
			if !errors.Is(err, ErrSameKey) || !strings.HasPrefix(err.Error(), "sample ") {
				t.Errorf("%s: %v, want %v", tt.story, err, ErrSameKey)
			}
		}
		out, _ := mustPack(t, s.base, s.dirs(tt.changes), Options{Duplicates: RenameDuplicates})
		if got := listing(t, out); got != tt.renamed {
			t.Errorf("%s: %s, want %s", tt.story, got, tt.renamed)
		}
	}
}

// inputs yields the samples of several shards.
func inputs(shards ...shard) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for i, s := range shards {
			b := s.base
			b.Input = i
			for sample, err := range Shard(b) {
				if !yield(sample, err) {
					return
				}
			}
		}
	}
}

func TestDuplicates(t *testing.T) {
	one := newShard(t, makeTar(t, tar.FormatUSTAR, "d/a.x", "b.x", "d/a.x", "b~2.x"))
	two := newShard(t, makeTar(t, tar.FormatUSTAR, "c.x", "b.x", "b~3.x", "d/a.y"))
	names := []string{"one", "two"}
	for _, tt := range []struct {
		story  string
		o      Options
		order  Order
		shards []shard
		want   string // or the error
	}{
		{"one, where keys return", Options{}, Order{}, []shard{one}, "d/a.x b.x d/a.x b~2.x"},
		{"one, renamed", Options{Duplicates: RenameDuplicates}, Order{}, []shard{one}, "d/a.x b.x d/a~2.x b~2.x"},
		{"one, sorted", Options{Reordered: true}, Order{Sort: "key"}, []shard{one},
			`sample d/a~2: equal keys: "d/a" is also the key of the sample before it, and the two would become one`},
		{"one, sorted, kept", Options{Reordered: true, Duplicates: KeepDuplicates}, Order{Sort: "key"}, []shard{one},
			`sample d/a~2: equal keys: "d/a" is also the key of the sample before it, and the two would become one`},
		{"two", Options{Inputs: names}, Order{}, []shard{one, two},
			`sample b: equal keys: "b" is in one and in two`},
		{"two, kept", Options{Inputs: names, Duplicates: KeepDuplicates}, Order{}, []shard{one, two},
			"d/a.x b.x d/a.x b~2.x c.x b.x b~3.x d/a.y"},
		{"two, renamed", Options{Inputs: names, Duplicates: RenameDuplicates}, Order{}, []shard{one, two},
			"d/a.x b.x d/a~2.x b~2.x c.x b~3.x b~3~2.x d/a~3.y"},
		{"two, sorted, renamed", Options{Inputs: names, Duplicates: RenameDuplicates, Reordered: true},
			Order{Sort: "key"}, []shard{one, two}, "b.x b~2.x b~2~2.x b~3.x c.x d/a.x d/a~2.x d/a~3.y"},
		{"one twice", Options{Inputs: []string{"one", "one"}}, Order{}, []shard{one, one},
			`sample d/a: equal keys: "d/a" is twice in one`},
		{"new keys",
			Options{Inputs: names, Rekey: func(key string, n int) string { return key + strings.Repeat("i", n) }},
			Order{}, []shard{one, two}, "d/a.x bi.x d/aii.x b~2iii.x ciiii.x biiiii.x b~3iiiiii.x d/aiiiiiii.y"},
	} {
		var out bytes.Buffer
		tt.o.OwnEnd = true
		w := NewWriter(&out, tt.o)
		err := Pack(t.Context(), w, tt.order.Apply(inputs(tt.shards...)))
		if err == nil {
			err = w.Close()
		}
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			var members []string
			for _, m := range strings.Fields(listing(t, out.Bytes())) {
				name, _, _ := strings.Cut(m, "=")
				members = append(members, name)
			}
			got = strings.Join(members, " ")
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.story, got, tt.want)
		}
	}
}

// A Writer that continues at a position renames as the one before would have.
func TestRecall(t *testing.T) {
	one := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "a.x"))
	two := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "a~2.x", "c.x", "a.x"))
	o := Options{Inputs: []string{"one", "two"}, Duplicates: RenameDuplicates, OwnEnd: true}
	var whole bytes.Buffer
	w := NewWriter(&whole, o)
	if err := errors.Join(Pack(t.Context(), w, inputs(one, two)), w.Close()); err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop < 7; stop++ {
		var out bytes.Buffer
		w := NewWriter(&out, o)
		n := 0
		for s, err := range inputs(one, two) {
			if n == stop {
				p, posErr := w.Position()
				if err != nil || posErr != nil {
					t.Fatal(err, posErr)
				}
				b := one.base
				if stop > 3 {
					b = two.base
				}
				w = Resume(&out, o, b, p)
				if err := w.Recall(bytes.NewReader(out.Bytes()), p); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Write(s); err != nil {
				t.Fatal(err)
			}
			if !s.Empty() {
				n++
			}
		}
		if err := w.Close(); err != nil || !bytes.Equal(out.Bytes(), whole.Bytes()) {
			t.Errorf("stopped after %d samples: %s, want %s; %v",
				stop, listing(t, out.Bytes()), listing(t, whole.Bytes()), err)
		}
	}
}
