package remote

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
)

const (
	maxListed = 4_000_000 // objects of one listing, which are kept to be sorted
	maxPages  = 100_000   // of one listing: those of a server that goes on for ever may be empty
)

// Pages yields the objects of a listing that comes in pages, for [Lister]. Page returns the objects of one page, and the
// marker that asks for the next page, or "". The marker of the first one is "". The names must begin with prefix. They are
// sorted here, because not every server sorts by the bytes of names.
func Pages(prefix string, page func(marker string) ([]store.Entry, string, error)) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		all, err := pages(prefix, page)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// pages returns the objects of all pages, sorted.
func pages(prefix string, page func(marker string) ([]store.Entry, string, error)) ([]store.Entry, error) {
	var all []store.Entry
	marker := ""
	for range maxPages {
		some, next, err := page(marker)
		if err != nil {
			return nil, err
		}
		for _, e := range some {
			if !strings.HasPrefix(e.Name, prefix) || e.Size < 0 {
				return nil, fmt.Errorf("%w: the listing has an object that was not asked for", store.ErrUnreachable)
			}
		}
		all = append(all, some...)
		switch {
		case len(all) > maxListed:
			return nil, fmt.Errorf("more than %d objects begin with that", maxListed)
		case next == "":
			slices.SortFunc(all, func(a, b store.Entry) int { return cmp.Compare(a.Name, b.Name) })
			return slices.CompactFunc(all, func(a, b store.Entry) bool { return a.Name == b.Name }), nil
		case next == marker:
			return nil, fmt.Errorf("%w: the listing does not go on", store.ErrUnreachable)
		}
		marker = next
	}
	return nil, fmt.Errorf("%w: the listing does not end", store.ErrUnreachable)
}
