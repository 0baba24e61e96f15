package difference

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/pack"
)

// sideOf returns samples from a text: words of a key and, after colons, members EXT=CONTENT; the default is "t=KEY".
func sideOf(text string) Side {
	return Of(func(yield func(pack.Sample, error) bool) {
		for word := range strings.FieldsSeq(text) {
			key, rest, ok := strings.Cut(word, ":")
			if !ok {
				rest = "t=" + key
			}
			var members []pack.Member
			for part := range strings.SplitSeq(rest, ":") {
				ext, content, _ := strings.Cut(part, "=")
				members = append(members, pack.TextMember(ext, []byte(content)))
			}
			if !yield(pack.New(key, members), nil) {
				return
			}
		}
	})
}

// find returns the differences as a text, and how many there are.
func find(t testing.TB, a, b Side, o Options) (string, Count) {
	t.Helper()
	var words []string
	count, err := Find(t.Context(), a, b, o, func(d Difference) error {
		word := fmt.Sprintf("%s %s %d %d", d.Kind, d.Key, d.A, d.B)
		if d.Moved && d.Kind == Changed {
			word += " moved"
		}
		for _, m := range d.Members {
			word += fmt.Sprintf(" %s-%s", m.Kind, m.Ext)
		}
		words = append(words, word)
		return nil
	})
	shardtest.Check(t, err)
	return strings.Join(words, ", "), count
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		a, b, want string
		o          Options
	}{
		{a: "", b: ""},
		{a: "1 2 3", b: "1 2 3"},
		{a: "1 2 3", b: "1 3", want: "removed 2 1 -1 removed-t"},
		{a: "1 3", b: "1 2 3", want: "added 2 -1 1 added-t"},
		{a: "1 2", b: "", want: "removed 1 0 -1 removed-t, removed 2 1 -1 removed-t"},
		{a: "1 2:t=x", b: "1 2:t=y", want: "changed 2 1 1 changed-t"},
		{a: "1 2:t=x", b: "1 2:t=yy", want: "changed 2 1 1 changed-t"},
		{a: "1 2:t=x", b: "1 2:t=yy", o: Options{KeysOnly: true}},
		{a: "1:a=1:b=2", b: "1:b=2:a=1"}, // the order of members does not count
		{a: "1:a=1:b=2", b: "1:b=2:c=1", want: "changed 1 0 0 removed-a added-c"},
		{a: "1:a=1:b=2:a=3", b: "1:b=2:a=1:a=3"},
		{a: "1:a=1:b=2:a=3", b: "1:a=3:a=1:c=2", want: "changed 1 0 0 changed-a removed-b changed-a added-c"},
		{a: "1:a=1:a=2", b: "1:a=1", want: "changed 1 0 0 removed-a"},
		{a: "1 2 3 4", b: "2 3 4 1", want: "moved 1 0 3"},
		{a: "1 2 3 4", b: "4 1 2 3", want: "moved 4 3 0"},
		{a: "1 2 3 4", b: "4 1 2 3", o: Options{AnyOrder: true}},
		{a: "1 2 3 4 5 6", b: "4 5 6 1 2 3", want: "moved 1 0 3, moved 2 1 4, moved 3 2 5"},
		{a: "0 1 2 3 4", b: "1 2 3 4", want: "removed 0 0 -1 removed-t"}, // what follows has not moved
		{a: "1:t=x 2 3", b: "2 3 1:t=y", want: "changed 1 0 2 moved changed-t"},
		{a: "1 2 1:t=x", b: "1 1:t=x 2", want: "moved 2 1 2"}, // a key that returns: the first with the first
		{a: "1 1:t=x", b: "1", want: "removed 1 1 -1 removed-t"},
	} {
		if got, _ := find(t, sideOf(tt.a), sideOf(tt.b), tt.o); got != tt.want {
			t.Errorf("%q and %q, %+v: %q, want %q", tt.a, tt.b, tt.o, got, tt.want)
		}
	}
}

// Of random sequences each sample is counted once, and those that have not moved are in the same order on both sides.
func TestFindRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := random.IntN(30)
		var a, b []string
		removed, added, changed := 0, 0, 0
		for i := range n {
			word := fmt.Sprintf("k%d", i)
			switch random.IntN(6) {
			case 0:
				a, removed = append(a, word), removed+1
			case 1:
				b, added = append(b, word), added+1
			case 2:
				a, b, changed = append(a, word), append(b, word+":t=other"), changed+1
			default:
				a, b = append(a, word), append(b, word)
			}
		}
		for range random.IntN(4) {
			if len(b) > 1 {
				i, j := random.IntN(len(b)), random.IntN(len(b))
				b[i], b[j] = b[j], b[i]
			}
		}
		moved := make(map[string]bool)
		count, err := Find(t.Context(), sideOf(strings.Join(a, " ")), sideOf(strings.Join(b, " ")), Options{},
			func(d Difference) error {
				if d.Moved || d.Kind == Added || d.Kind == Removed {
					moved[d.Key] = true
				}
				return nil
			})
		shardtest.Check(t, err)
		left := func(list []string) (keys []string) {
			for _, word := range list {
				if key, _, _ := strings.Cut(word, ":"); !moved[key] {
					keys = append(keys, key)
				}
			}
			return keys
		}
		if count.Removed != removed || count.Added != added || count.Changed != changed ||
			count.Equal+count.Moved+count.Changed+count.Removed != len(a) || !slices.Equal(left(a), left(b)) {
			t.Errorf("%v and %v: %+v, moved %v", a, b, count, moved)
		}
	}
}

// Of samples with one key, as many have partners as the other side has.
func TestRepeatedKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var words [2][]string
		var has [2]map[string]int
		for i := range words {
			has[i] = make(map[string]int)
			for range random.IntN(40) {
				key := string(rune('a' + random.IntN(3)))
				words[i], has[i][key] = append(words[i], fmt.Sprintf("%s:t=%d", key, has[i][key])), has[i][key]+1
			}
		}
		want := Count{}
		for _, key := range []string{"a", "b", "c"} {
			n, m := has[0][key], has[1][key]
			want.Removed, want.Added = want.Removed+max(n-m, 0), want.Added+max(m-n, 0)
			want.Equal += min(n, m)
		}
		a, b := strings.Join(words[0], " "), strings.Join(words[1], " ")
		if _, count := find(t, sideOf(a), sideOf(b), Options{AnyOrder: true}); count != want {
			t.Errorf("%q and %q: %+v, want %+v", a, b, count, want)
		}
	}
}

// A shard gives the same samples as a sequence, and a directory too.
func TestSides(t *testing.T) {
	sh := shardtest.Open(t, "a.txt", "a.cls", "README", "b.txt")
	base := pack.Base{Index: sh.Index, Plain: sh.Bytes()}
	dir := fstest.MapFS{
		"a/sample.txt": {Data: []byte("a.txt"), Mode: 0o644}, "a/sample.cls": {Data: []byte("a.cls"), Mode: 0o644},
		"b/sample.txt": {Data: []byte("other"), Mode: 0o644},
	}
	shard := func() Side { return OfShard(base) }
	if got, count := find(t, shard(), Of(pack.Shard(base)), Options{}); got != "" || count.Equal != 2 {
		t.Errorf("a shard and its samples: %s, %+v", got, count)
	}
	tree := Of(pack.All(pack.Base{}, pack.Tree{FS: dir}))
	if got, _ := find(t, shard(), tree, Options{}); got != "changed b 1 1 changed-txt" {
		t.Errorf("a shard and a directory: %s", got)
	}
	if got, _ := find(t, shard(), sideOf(""), Options{}); got !=
		"removed a 0 -1 removed-txt removed-cls, removed b 1 -1 removed-txt" {
		t.Errorf("a shard and nothing: %s", got)
	}
}

// What is to be freed after some samples is freed once, and not before them.
func TestFree(t *testing.T) {
	var log []string
	free := func(name string) func() error {
		return func() error { log = append(log, name); return nil }
	}
	samples := func(yield func(pack.Sample, error) bool) {
		for _, key := range []string{"a", "b", "c"} {
			s := sampleOf(key)
			s.Free = free(key)
			if !yield(s, nil) || !yield(pack.Sample{Free: free("after " + key)}, nil) {
				return
			}
		}
	}
	find(t, Of(samples), sideOf("b c a"), Options{})
	if want := []string{"b", "c", "a", "after a", "after b", "after c"}; !slices.Equal(log, want) {
		t.Errorf("freed: %v, want %v", log, want)
	}
}

func sampleOf(key string) pack.Sample {
	return pack.New(key, []pack.Member{pack.TextMember("t", []byte(key))})
}

// broken is a file that cannot be read.
type broken struct{ fs.File }

var errBroken = errors.New("the disk is broken")

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// Errors of a side, of content, of the caller and of the context end Find, and are not differences.
func TestFindErrors(t *testing.T) {
	unreadable := func(yield func(pack.Sample, error) bool) {
		s := sampleOf("1")
		m := s.Members()
		open := m[0].File.Open
		m[0].File.Open = func() (fs.File, error) {
			f, err := open()
			return broken{f}, err
		}
		yield(s, nil)
	}
	failing := func(yield func(pack.Sample, error) bool) { yield(pack.Sample{}, errBroken) }
	none := func(Difference) error { return nil }
	for name, f := range map[string]func() error{
		"content": func() error {
			_, err := Find(t.Context(), sideOf("1"), Of(unreadable), Options{}, none)
			return err
		},
		"side": func() error {
			_, err := Find(t.Context(), Of(failing), sideOf("1"), Options{}, none)
			return err
		},
		"caller": func() error {
			_, err := Find(t.Context(), sideOf("1"), sideOf(""), Options{}, func(Difference) error { return errBroken })
			return err
		},
		"context": func() error {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errBroken)
			_, err := Find(ctx, sideOf("1"), sideOf("1"), Options{}, none)
			return err
		},
	} {
		if err := f(); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Large content is compared to the last byte.
func TestSameContent(t *testing.T) {
	for _, size := range []int{0, 1, 65535, 65536, 65537, 200000} {
		text := strings.Repeat("x", size)
		one := pack.New("k", []pack.Member{pack.TextMember("t", []byte(text))})
		other := pack.New("k", []pack.Member{pack.TextMember("t", []byte(text[:max(size-1, 0)]+"y"))})
		only := func(s pack.Sample) Side {
			return Of(func(yield func(pack.Sample, error) bool) { yield(s, nil) })
		}
		if _, c := find(t, only(one), only(one), Options{}); c.Equal != 1 {
			t.Errorf("%d bytes: not equal", size)
		}
		if _, c := find(t, only(one), only(other), Options{}); c.Changed != 1 {
			t.Errorf("%d bytes: equal", size)
		}
	}
}
