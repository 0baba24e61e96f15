package output

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/ui"
)

// cleanedStore is a store with leftovers of the given names.
type cleanedStore struct {
	*memory.Store
	left     []string
	prefixes []string // of the calls of Clean
	err      error
}

func (s *cleanedStore) Clean(
	_ context.Context, prefix string, may func(store.Leftover) bool,
) iter.Seq2[store.Leftover, error] {
	return func(yield func(store.Leftover, error) bool) {
		s.prefixes = append(s.prefixes, prefix)
		for _, name := range s.left {
			l := store.Leftover{Name: name}
			if strings.HasPrefix(name, prefix) && may(l) && !yield(l, nil) {
				return
			}
		}
		if s.err != nil {
			yield(store.Leftover{}, s.err)
		}
	}
}

// TestClean checks of which names leftovers are removed, and that a store is asked for no more than it must.
func TestClean(t *testing.T) {
	left := []string{
		"s3://b/out/a.tar", "s3://b/out/a.tar.sfidx", "s3://b/out/a.idx", "s3://b/out/a.tar.idx", "s3://b/out/a.json",
		"s3://b/out/a.tar.gz", "s3://b/out/a/b.tar", "s3://b/out/.tar", "s3://b/out/7.tar", "s3://b/out/a-007.tar",
		"s3://b/other/a.tar",
	}
	for _, tt := range []struct {
		name, prefix string
		want         []string
	}{
		{"s3://b/out/a.tar", "s3://b/out/a.", left[:5]},
		{"s3://b/out/{index:03d}.tar", "s3://b/out/", left[8:9]},
		{"s3://b/out/{name}-%03d.tar", "s3://b/out/", left[9:10]},
		{"s3://b/out/{name}.tar", "s3://b/out/", slices.Concat(left[:5], left[8:10])},
		{"s3://b/{name}/a.tar", "s3://b/", slices.Concat(left[:5], left[10:])},
		{"s3://b/out/[a-z].tar", "s3://b/out/[a-z].", []string{}},
	} {
		st := &cleanedStore{Store: memory.New(), left: left}
		got := []string{}
		for l, err := range Clean(t.Context(), st, tt.name, func(store.Leftover) bool { return true }) {
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			got = append(got, l.Name)
		}
		if !slices.Equal(got, tt.want) || !slices.Equal(st.prefixes, []string{tt.prefix}) {
			t.Errorf("%s: %q of %q, want %q of %q", tt.name, got, st.prefixes, tt.want, tt.prefix)
		}
	}
}

// TestCleanErrors checks that nothing is there to be removed where nothing is, and that all else is an error.
func TestCleanErrors(t *testing.T) {
	none, errMistake := errors.New("none"), errors.New("a mistake of usage")
	for _, tt := range []struct {
		st   store.Store
		want error
	}{
		{&cleanedStore{Store: memory.New(), err: fs.ErrNotExist}, none},
		{&cleanedStore{Store: memory.New(), err: fs.ErrPermission}, fs.ErrPermission},
		{memory.New(), errMistake},
	} {
		got := none
		for _, err := range Clean(t.Context(), tt.st, "s3://b/a.tar", func(store.Leftover) bool { return true }) {
			if got = err; errors.As(err, new(*ui.UsageError)) {
				got = errMistake
			}
		}
		if !errors.Is(got, tt.want) {
			t.Errorf("%T: %v, want %v", tt.st, got, tt.want)
		}
	}
}
