// Package bearer keeps the bearer token by which a store knows its user. All requests share one token. It is fetched when
// the first of them needs it, again before it expires, and again after the store has refused it.
package bearer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	early   = time.Minute     // how long before its end a token is fetched anew, or half of its life if that is less
	again   = 5 * time.Second // how long after a failure, while the old token is still good
	atMost  = time.Minute     // for fetching a token
	unknown = time.Hour       // how long a token is kept that does not tell its end
)

// kind is what comes before a token in the header Authorization.
const kind = "Bearer "

// errPlain means that a token would have to be sent to another machine without encryption.
var errPlain = errors.New("a token is sent by https only")

// Token is what a request shows to a store.
type Token struct {
	Value   string    // "" if there is none, and requests are not signed
	Expires time.Time // zero if unknown
	Store   string    // the URL of the store, where a login tells that, too
}

// Cache holds the token of a store. It is safe for concurrent use.
type Cache struct {
	fetch func(ctx context.Context) (Token, error)

	mu      sync.Mutex
	token   Token     // the zero Token if none was fetched
	next    time.Time // when to fetch the next one
	pending *pending  // nil if no token is being fetched
}

// pending is a token that is being fetched.
type pending struct {
	done  chan struct{} // closed when the rest is set
	token Token
	err   error
}

// New returns a cache for tokens that fetch gets.
func New(fetch func(ctx context.Context) (Token, error)) *Cache { return &Cache{fetch: fetch} }

// Sign adds the token to a request, if there is one.
func (c *Cache) Sign(ctx context.Context, r *http.Request) error {
	token, err := c.Get(ctx)
	if err != nil || token.Value == "" {
		return err
	}
	if !safe(r.URL) {
		return fmt.Errorf("%s: %w", r.URL.Host, errPlain)
	}
	r.Header.Set("Authorization", kind+token.Value)
	return nil
}

// Renew drops the token if it is the one that was refused, and reports whether the request had one.
func (c *Cache) Renew(_ context.Context, refused *http.Request) bool {
	shown, ok := strings.CutPrefix(refused.Header.Get("Authorization"), kind)
	if ok {
		c.Drop(shown)
	}
	return ok
}

// Drop drops the token if it has this value.
func (c *Cache) Drop(value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Value == value {
		c.token, c.next = Token{}, time.Time{}
	}
}

// IsAnonymous reports whether requests are not signed, because the last token that was fetched was none.
func (c *Cache) IsAnonymous() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.token.Expires.IsZero() && c.token.Value == ""
}

// safe reports whether nobody can read a token on its way to u.
func safe(u *url.URL) bool {
	if u.Scheme == "https" || u.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// Get returns a token that has not expired, for requests that show it in their own way. Fetching one goes on for others if ctx ends.
func (c *Cache) Get(ctx context.Context) (Token, error) {
	c.mu.Lock()
	if time.Now().Before(c.next) {
		defer c.mu.Unlock()
		return c.token, nil
	}
	p := c.pending
	if p == nil {
		p = &pending{done: make(chan struct{})}
		c.pending = p
		go c.renew(context.WithoutCancel(ctx), p)
	}
	c.mu.Unlock()
	select {
	case <-p.done:
		return p.token, p.err
	case <-ctx.Done():
		return Token{}, context.Cause(ctx)
	}
}

// renew fetches a token. If it cannot, the old one is used as long as it is good.
func (c *Cache) renew(ctx context.Context, p *pending) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	p.token, p.err = c.fetch(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(p.done)
	c.pending = nil
	now := time.Now()
	switch {
	case p.err == nil:
		if p.token.Expires.IsZero() {
			p.token.Expires = now.Add(unknown)
		}
		c.token, c.next = p.token, p.token.Expires.Add(-min(early, p.token.Expires.Sub(now)/2))
	case now.Before(c.token.Expires):
		p.token, p.err = c.token, nil
		c.next = now.Add(again)
	}
}
