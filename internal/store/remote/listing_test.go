package remote

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
)

// Listings are sorted whatever the order of the server, and end.
func TestPages(t *testing.T) {
	failed := errors.New("failed")
	for _, tt := range []struct {
		pages [][]string // the last element is the marker of the next page
		want  []string
		err   error
	}{
		{[][]string{{""}}, nil, nil},
		{[][]string{{"x://b/b", "x://b/a/z", "1"}, {"x://b/a", "x://b/b", "2"}, {""}}, []string{"x://b/a", "x://b/a/z",
			"x://b/b"}, nil},
		{[][]string{{"x://b/a", "1"}, {"x://b/b", "1"}}, nil, store.ErrUnreachable},
		{[][]string{{"x://b/a", "1"}, {"x://other", ""}}, nil, store.ErrUnreachable},
		{[][]string{{"x://b/a", "7"}}, nil, failed},
	} {
		var got []string
		var failure error
		for e, err := range Pages("x://b/", func(marker string) ([]store.Entry, string, error) {
			n, _ := strconv.Atoi(marker)
			if n >= len(tt.pages) {
				return nil, "", failed
			}
			page := tt.pages[n]
			var entries []store.Entry
			for _, name := range page[:len(page)-1] {
				entries = append(entries, store.Entry{Name: name})
			}
			return entries, page[len(page)-1], nil
		}) {
			if failure = err; err == nil {
				got = append(got, e.Name)
			}
		}
		if !slices.Equal(got, tt.want) || !errors.Is(failure, tt.err) {
			t.Errorf("%q: %q, %v", tt.pages, got, failure)
		}
	}
	negative := func(string) ([]store.Entry, string, error) {
		return []store.Entry{{Name: "x://b/a", Info: store.Info{Size: -1}}}, "", nil
	}
	for _, err := range Pages("x://b/", negative) {
		if !errors.Is(err, store.ErrUnreachable) {
			t.Errorf("an object of -1 bytes: %v", err)
		}
	}
	n := 0
	for _, err := range Pages("", func(string) ([]store.Entry, string, error) {
		n++
		return nil, strconv.Itoa(n), nil
	}) {
		if !errors.Is(err, store.ErrUnreachable) || n != maxPages {
			t.Errorf("after %d empty pages: %v", n, err)
		}
	}
	n = 0
	for e, err := range Pages("", func(string) ([]store.Entry, string, error) {
		n++
		return []store.Entry{{Name: fmt.Sprint(n)}, {Name: "z"}}, "", nil
	}) {
		if err != nil || e.Name != "1" {
			t.Errorf("%v, %v", e, err)
		}
		break // a caller may stop
	}
}
