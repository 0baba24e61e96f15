package hf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// entry is a line of the Hub's listings.
type entry struct {
	Type    string // "file" or "directory"
	OID     string
	Path    string
	Size    int64
	XetHash string
	LFS     *struct {
		OID  string
		Size int64
	}
}

// maxPages ends a listing that goes on forever. A page has up to 1000 entries.
const maxPages = 100_000

var errPages = fmt.Errorf("the Hub's listing does not end: %w", store.ErrUnreachable)

// List implements [remote.Lister]. It lists the directory that the prefix is in, and of those below it only the ones
// whose names begin with the prefix.
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	return remote.Pages(prefix, func(string) ([]store.Entry, string, error) {
		found, err := s.list(ctx, prefix, do)
		return found, "", err
	})
}

// list returns the files whose names begin with prefix.
func (s *Service) list(ctx context.Context, prefix string, do remote.Do) ([]store.Entry, error) {
	p, err := parse(prefix)
	if err != nil {
		return nil, err
	}
	at, err := s.commit(ctx, p)
	if err != nil {
		return nil, err
	}
	var found []store.Entry
	var below []string
	err = s.tree(ctx, p, at, p.path[:strings.LastIndexByte(p.path, '/')+1], false, do, func(e entry) {
		switch {
		case !strings.HasPrefix(e.Path, p.path) && !strings.HasPrefix(e.Path+"/", p.path):
		case e.Type == "directory":
			below = append(below, e.Path+"/")
		case strings.HasPrefix(e.Path, p.path):
			found = append(found, e.as(p))
		}
	})
	for i := 0; i < len(below) && err == nil; i++ {
		err = s.tree(ctx, p, at, below[i], true, do, func(e entry) {
			if e.Type == "file" && strings.HasPrefix(e.Path, below[i]) {
				found = append(found, e.as(p))
			}
		})
	}
	return found, err
}

// tree calls each for everything in a directory, which ends in a slash or is "". It is empty if it does not exist.
func (s *Service) tree(ctx context.Context, p place, at, dir string, below bool, do remote.Do, each func(entry)) error {
	path := "api/" + p.kind + "/" + p.id + "/tree"
	if at != "" {
		path += "/" + at
	}
	if dir != "" {
		path += "/" + escape(strings.TrimSuffix(dir, "/"))
	}
	u := s.url(path)
	u.RawQuery = fmt.Sprintf("recursive=%t", below)
	for range maxPages {
		header, body, err := do(ctx, s.place(p, u, ""))
		if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNoRepo) && !errors.Is(err, errNoRevision) {
			return nil
		} else if err != nil {
			return err
		}
		var page []entry
		if err := json.Unmarshal(body, &page); err != nil {
			return fmt.Errorf("the Hub's listing cannot be read: %w", store.ErrUnreachable)
		}
		for _, e := range page {
			each(e)
		}
		next := nextPage(header, u)
		if next == "" {
			return nil
		}
		if next == u.RawQuery {
			return errPages
		}
		to := *u
		to.RawQuery, u = next, &to
	}
	return errPages
}

// nextPage returns the query of the next page from the header Link. Its host and path are not used: a listing stays where
// the token may be sent.
func nextPage(h http.Header, u *url.URL) string {
	for link := range strings.SplitSeq(strings.Join(h["Link"], ","), ",") {
		target, params, _ := strings.Cut(strings.TrimSpace(link), ">")
		if strings.Contains(params, `rel="next"`) && strings.HasPrefix(target, "<") {
			if next, err := u.Parse(target[1:]); err == nil {
				return next.RawQuery
			}
		}
	}
	return ""
}

// as returns what the store lists for an entry.
func (e entry) as(p place) store.Entry {
	info := store.Info{Size: e.Size, Version: store.Version(e.OID)}
	switch {
	case e.LFS != nil:
		info.Size, info.Version = e.LFS.Size, store.Version(e.LFS.OID)
	case p.kind == "buckets":
		info.Version = store.Version(e.XetHash)
	}
	return store.Entry{Name: p.root + e.Path, Info: info}
}
