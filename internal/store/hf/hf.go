// Package hf is the store of the Hugging Face Hub: files in revisions of data sets, models and spaces, and in buckets.
//
// A name's revision is a branch, a tag, a pull request or a commit. The Hub is asked once in a process which commit that
// is, and everything else is asked of the commit, so that a push changes nothing for a reader. Files of some size are on
// other hosts, to which the Hub redirects with signed URLs; these hosts do not get the token. What tells the version of a
// file is the digest of its content that the Hub names with the redirect, not what the other host says.
package hf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/bearer"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// Options configures [New]. All fields must be set.
type Options struct {
	Getenv func(string) string // reads HF_*, and where the token is
	Do     remote.Do           // asks for commits
}

// Service finds files on the Hub. It is safe for concurrent use.
type Service struct {
	do       remote.Do
	endpoint *url.URL
	err      error // of all names, because of the settings
	token    *bearer.Cache
	commits  commits
}

var _ remote.Lister = (*Service)(nil)

// isCommit reports whether a revision is the name of a commit.
func isCommit(revision string) bool {
	return len(revision) == 40 && strings.Trim(revision, "0123456789abcdef") == ""
}

// New returns the service of the Hub that HF_ENDPOINT names.
func New(o Options) *Service {
	s := &Service{do: o.Do, commits: commits{of: map[string]*commit{}}}
	s.token = bearer.New(func(context.Context) (bearer.Token, error) {
		token, err := findToken(o.Getenv)
		return bearer.Token{Value: token}, err
	})
	endpoint := strings.TrimRight(o.Getenv("HF_ENDPOINT"), "/")
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	u, ok := remote.ParseEndpoint(endpoint)
	offline, offlineErr := store.Switch("HF_HUB_OFFLINE", o.Getenv("HF_HUB_OFFLINE"))
	switch {
	case offlineErr != nil:
		s.err = offlineErr
	case offline:
		s.err = offlineError{}
	case !ok:
		s.err = fmt.Errorf("HF_ENDPOINT is %w: want the URL of a Hub", store.ErrName)
	}
	s.endpoint = u
	return s
}

// offlineError is the error of every name where nothing may be asked.
type offlineError struct{}

func (offlineError) Error() string { return "HF_HUB_OFFLINE is set: the Hub is not asked" }
func (offlineError) Unwrap() error { return store.ErrUnreachable }

// Hint returns how to ask the Hub.
func (offlineError) Hint() string { return "HF_HUB_OFFLINE=0 reads from the Hub" }

// Locate implements [remote.Service]. It asks the Hub for the commit of a revision that it has not asked for before.
func (s *Service) Locate(ctx context.Context, name string) (*remote.Place, error) {
	p, err := parse(name)
	if err != nil {
		return nil, err
	}
	if !p.file() {
		return nil, errName
	}
	at, err := s.commit(ctx, p)
	if err != nil {
		return nil, err
	}
	path := p.site() + "/resolve/"
	if at != "" {
		path += at + "/"
	}
	return s.place(p, s.url(path+remote.EscapePath(p.path)), ""), nil
}

// url returns a URL of the Hub from its escaped path.
func (s *Service) url(path string) *url.URL {
	u := *s.endpoint
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/") + "/" + path
	u.Path, _ = url.PathUnescape(u.RawPath) // what this package escapes can be read again
	return &u
}

// place returns a place on the Hub itself. The version is that of the answers, or digest if that is known.
func (s *Service) place(p place, u *url.URL, digest string) *remote.Place {
	return &remote.Place{
		URL:   u,
		Sign:  s.token.Sign,
		Renew: s.token.Renew,
		Pin:   func(h http.Header) remote.Pin { return pin(h, digest) },
		Fault: func(status int, h http.Header, _ []byte) remote.Fault {
			return p.fault(!s.token.IsAnonymous(), status, h)
		},
		Moved: func(status int, h http.Header, _ []byte) *remote.Place { return s.moved(p, u, digest, status, h) },
	}
}

// commits are the commits of revisions that this process has asked for. A revision keeps its commit.
type commits struct {
	mu sync.Mutex
	of map[string]*commit
}

type commit struct {
	asking chan struct{} // holds a value while a caller asks
	id     string        // guarded by asking
}

// commit returns the commit of the revision of p, or "" in a bucket.
func (s *Service) commit(ctx context.Context, p place) (string, error) {
	if s.err != nil || p.kind == "buckets" || isCommit(p.revision) {
		return p.revision, s.err
	}
	c := s.commits.get(p.site() + "@" + p.revision)
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if c.id != "" {
		return c.id, nil
	}
	u := s.url("api/" + p.kind + "/" + p.id + "/revision/" + escape(p.revision))
	u.RawQuery = "expand=sha" // without it, the answer also lists all files
	_, body, err := s.do(ctx, s.place(p, u, ""))
	if err != nil {
		return "", err
	}
	var answer struct{ SHA string }
	if err := json.Unmarshal(body, &answer); err != nil || !isCommit(answer.SHA) {
		return "", fmt.Errorf("the Hub does not say which commit a revision is: %w", store.ErrUnreachable)
	}
	c.id = answer.SHA
	return c.id, nil
}

func (c *commits) get(key string) *commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[key] == nil {
		c.of[key] = &commit{asking: make(chan struct{}, 1)}
	}
	return c.of[key]
}
