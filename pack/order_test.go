package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"
)

// keys returns the keys of samples.
func keys(t *testing.T, samples iter.Seq2[Sample, error]) (list []string) {
	t.Helper()
	for s, err := range samples {
		if err != nil {
			t.Fatal(err)
		}
		if !s.Empty() {
			list = append(list, s.Key)
		}
	}
	return list
}

// classes is a shard of samples with these keys and classes, "key=class"; without an equals sign there is no class.
func classes(t *testing.T, list ...string) shard {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name, content string) {
		err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(content))})
		if _, writeErr := io.WriteString(w, content); err != nil || writeErr != nil {
			t.Fatal(err, writeErr)
		}
	}
	for _, entry := range list {
		key, class, ok := strings.Cut(entry, "=")
		add(key+".txt", key)
		if ok {
			add(key+".cls", class)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return newShard(t, b.Bytes())
}

func TestSort(t *testing.T) {
	s := classes(t, "d=7", "b=10", "a=7", "e", "c=", "B=7\n", "f")
	for _, tt := range []struct{ ext, want string }{
		{"", "B a b c d e f"},
		{"cls", "c b d a B e f"}, // byte by byte; equal ones as they come; those without one last
		{"txt", "B a b c d e f"},
	} {
		if got := strings.Join(keys(t, sortSamples(Shard(s.base), tt.ext)), " "); got != tt.want {
			t.Errorf("by %q: %s, want %s", tt.ext, got, tt.want)
		}
	}
	// Changed members are sorted by their new content, over several shards.
	two := classes(t, "y=0", "z=8")
	both := join(All(s.base, s.dirs(changes{"d": {write("sample.cls", "1")}, "c": dropped})), Shard(two.base))
	if got, want := strings.Join(keys(t, sortSamples(both, "cls")), " "), "y d b a B z e f"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// join is one sequence after the other.
func join(all ...iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for _, samples := range all {
			for s, err := range samples {
				if !yield(s, err) {
					return
				}
			}
		}
	}
}

func TestSortRefuses(t *testing.T) {
	s := classes(t, "a=1", "b="+strings.Repeat("x", maxText))
	if got := keys(t, sortSamples(Shard(s.base), "cls")); len(got) != 2 {
		t.Errorf("%s", got)
	}
	broken := errors.New("broken disk")
	unreadable := DirFile{Name: "sample.cls", Row: Changed, Mode: 0o644,
		Open: func() (fs.File, error) { return nil, broken }}
	for _, tt := range []struct {
		story   string
		samples iter.Seq2[Sample, error]
		ext     string
		want    error
	}{
		{"no such member", Shard(s.base), "jpg", ErrSort},
		{"too long", All(s.base, s.dirs(changes{"b": {write("sample.cls", strings.Repeat("x", maxText+1))}})), "cls",
			ErrSort},
		{"unreadable", All(s.base, s.dirs(changes{"b": {put(unreadable)}})), "cls", broken},
		{"an error before", All(s.base, failing{broken}), "", broken},
	} {
		var err error
		for _, e := range sortSamples(tt.samples, tt.ext) {
			err = errors.Join(err, e)
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.story, err, tt.want)
		}
	}
	if got := keys(t, sortSamples(Shard(newShard(t, makeTar(t, tar.FormatUSTAR)).base), "cls")); got != nil {
		t.Errorf("of nothing: %s", got)
	}
}

func TestShuffle(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprint(i, ".x"))
	}
	s := newShard(t, makeTar(t, tar.FormatUSTAR, names...))
	in := keys(t, Shard(s.base))
	for _, n := range []int{1, 2, 10, 99, 100, 101, 1000} {
		out := keys(t, shuffleSamples(Shard(s.base), n, 5))
		if again := keys(t, shuffleSamples(Shard(s.base), n, 5)); !slices.Equal(out, again) {
			t.Errorf("%d of them: %s, and again %s", n, out, again)
		}
		if other := keys(t, shuffleSamples(Shard(s.base), n, 6)); n > 1 && slices.Equal(out, other) {
			t.Errorf("%d of them: the same with another seed", n)
		}
		if n > 1 == slices.Equal(in, out) {
			t.Errorf("%d of them: %s", n, out)
		}
		for at, key := range out {
			if was := slices.Index(in, key); was > at+n-1 {
				t.Errorf("%d of them: %s comes as number %d, before it was read", n, key, at)
			}
		}
		slices.Sort(out)
		if want := slices.Sorted(slices.Values(in)); !slices.Equal(out, want) {
			t.Errorf("%d of them: %s", n, out)
		}
	}
	if got, want := strings.Join(keys(t, shuffleSamples(Shard(s.base), 5, 7))[:12], " "),
		"1 5 0 7 4 3 9 2 10 12 11 6"; got != want {
		t.Errorf("the order has become another one: %s, was %s", got, want)
	}
}

// In any order, all samples are there with all their members, and members outside samples are counted. The tar is one
// that every reader reads, and ends as tars do.
func TestReordered(t *testing.T) {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("%03d.x", i*7%40), fmt.Sprint("other", i), fmt.Sprintf("%03d.y", i*7%40))
	}
	one := newShard(t, append(makeTar(t, tar.FormatPAX, names...), "after"...))
	two := newShard(t, makeTar(t, tar.FormatUSTAR, "d/", "b.x", "b.y"))
	all := func() iter.Seq2[Sample, error] {
		return join(All(one.base, one.dirs(changes{"003": {write("sample.x", "new")},
			"004": {remove("sample.x"), remove("sample.y")}})), Shard(two.base))
	}
	want := keys(t, all())
	slices.Sort(want)
	for name, samples := range map[string]iter.Seq2[Sample, error]{
		"sorted": sortSamples(all(), ""), "by text": sortSamples(all(), "x"), "shuffled": shuffleSamples(all(), 7, 1),
		"all shuffled": shuffleSamples(all(), 1000, 1),
	} {
		var out bytes.Buffer
		w := NewWriter(&out, Options{Reordered: true, OwnEnd: true})
		if err := errors.Join(Pack(context.Background(), w, samples), w.Close()); err != nil {
			t.Fatal(err)
		}
		checkReaders(t, out.Bytes())
		s := newShard(t, out.Bytes())
		got := keys(t, Shard(s.base))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if sum := w.Summary(); sum.Samples != 40 || sum.Members != 80 || sum.Emptied != 1 || sum.Outside != 41 ||
			s.base.Index.Outside() != 0 {
			t.Errorf("%s: %+v", name, sum)
		}
		if out.Len()%(20*512) != 0 {
			t.Errorf("%s: %d bytes", name, out.Len())
		}
	}
}
