package remote

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
)

const (
	maxListed = 4_000_000 // objects of one listing, which are kept to be sorted
	maxPages  = 100_000   // of one listing: those of a server that goes on for ever may be empty
)

// Listing is how a store lists the objects whose names begin with a prefix, where each page is one answer.
type Listing struct {
	Root   string // what names begin with before the store's own, such as s3://BUCKET/
	Prefix string // of the store's own names
	Tail   string // what names end with after the store's own, such as a signature; "" for nothing

	// Place returns where the page of a marker is. The marker of the first page is "".
	Place func(marker string) (*Place, error)

	// Read returns the objects of a page by the store's own names, and the marker of the next page, or "".
	Read func(page []byte) (objects []store.Entry, next string, err error)
}

// List yields the objects of the Listing that find returns, for [Lister].
func List(ctx context.Context, do Do, find func() (*Listing, error)) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		l, err := find()
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		Pages(l.Root+l.Prefix, func(marker string) ([]store.Entry, string, error) {
			return l.page(ctx, do, marker)
		})(yield)
	}
}

// page asks for a page and reads it.
func (l *Listing) page(ctx context.Context, do Do, marker string) (objects []store.Entry, next string, err error) {
	p, err := l.Place(marker)
	if err != nil {
		return nil, "", err
	}
	_, body, err := do(ctx, p)
	if err != nil {
		return nil, "", err
	}
	objects, next, err = l.Read(body)
	if err != nil {
		return nil, "", fmt.Errorf("%w: the listing cannot be read: %s", store.ErrUnreachable, plain(err.Error()))
	}
	for i := range objects {
		objects[i].Name = l.Root + objects[i].Name + l.Tail
	}
	return objects, next, nil
}

// Query returns a query with these values, of which empty ones are left out.
func Query(values map[string]string) string {
	q := url.Values{}
	for name, value := range values {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

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
