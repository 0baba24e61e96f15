package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

const (
	maxHops  = 5        // redirects of one request
	maxFault = 64 << 10 // bytes of the body of an error that are read
)

// target is what requests are sent for: one object, or one page of a listing. It remembers where the service or the server
// has sent them.
type target struct {
	e    *Engine
	home *Place   // as the service has located it
	call *Request // that is sent; nil for GET

	mu  sync.Mutex // guards all below
	now hop        // where requests go
}

// hop is where a request goes.
type hop struct {
	place *Place
	// bare is true of the target of a redirect, which is asked for as the server has written it: without the query of a
	// pin.
	bare    bool
	foreign bool // a redirect has led to another host than the user has named
}

// answer is a response that is no error, with its body still to be read. The caller calls done.
type answer struct {
	*http.Response
	hop  hop
	host *host
	sent time.Time
}

func (a *answer) done() {
	a.Body.Close()
	a.host.release()
}

func newTarget(e *Engine, p *Place) *target { return &target{e: e, home: p, now: hop{place: p}} }

// where returns where to send the next request.
func (t *target) where(pin Pin) hop {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now.bare && len(pin.Query) > 0 {
		return hop{place: t.home}
	}
	return t.now
}

// move remembers where requests go, if they went to a place before.
func (t *target) move(from, to hop) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == from {
		t.now = to
	}
}

// ask sends a request for a range, or for all if span is "", and returns the answer if it is no error. The clock runs
// while the server is waited for.
func (t *target) ask(ctx context.Context, span string, pin Pin, c *clock) (*answer, error) {
	from := t.where(pin)
	a, last, err := t.follow(ctx, from, span, pin, c)
	if err != nil && from.place != t.home && isRefusal(err) && ctx.Err() == nil {
		t.move(from, hop{place: t.home})
		from = hop{place: t.home}
		a, last, err = t.follow(ctx, from, span, pin, c)
	}
	if err == nil {
		t.move(from, last)
	}
	return a, err
}

// isRefusal reports whether a place to which requests were sent on may be out of date.
func isRefusal(err error) bool {
	var f *failure
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) ||
		errors.As(err, &f) && (f.local || f.again == never)
}

// follow sends a request to a place, and on to where the answers lead.
func (t *target) follow(ctx context.Context, to hop, span string, pin Pin, c *clock) (*answer, hop, error) {
	for range maxHops + 1 {
		a, err := t.send(ctx, to, span, pin, c)
		if err != nil {
			return nil, to, err
		}
		if t.isAnswer(a.StatusCode) {
			return a, to, nil
		}
		body, err := io.ReadAll(io.LimitReader(a.Body, maxFault))
		a.done()
		if ctx.Err() != nil {
			return nil, to, context.Cause(ctx)
		}
		next, moved, failed := t.next(a, body)
		if failed != nil {
			return nil, to, failed
		}
		if !moved {
			if err != nil {
				body = nil // an error that is cut says nothing
			}
			return nil, to, t.fault(a, body, pin)
		}
		to = next
	}
	return nil, to, &failure{host: to.place.URL.Hostname(), text: fmt.Sprintf("more than %d redirects", maxHops),
		kind: store.ErrUnreachable, again: never, place: to.place}
}

// isAnswer reports whether a status is that of an answer which the caller looks at.
func (t *target) isAnswer(status int) bool {
	if t.call != nil {
		return status/100 == 2
	}
	switch status {
	case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		return true
	}
	return false
}

// send sends one request.
func (t *target) send(ctx context.Context, to hop, span string, pin Pin, c *clock) (*answer, error) {
	h := t.e.host(to.place.URL)
	if to.foreign {
		var err error
		if ctx, err = forRedirect(ctx, to.place.URL); err != nil {
			return nil, &failure{host: h.name, text: err.Error(), kind: store.ErrUnreachable, again: never,
				place: to.place}
		}
	}
	c.pause()
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	r, err := t.request(ctx, to, span, pin, c)
	if err == nil && to.place.Sign != nil {
		err = t.e.waiting("credentials of "+h.name, func() error { return to.place.Sign(ctx, r) })
		if err == nil {
			err = sendable(r)
		}
		if err != nil {
			err = credentialError(ctx, h.name, to.place, err)
		}
	}
	if err != nil {
		h.release()
		return nil, err
	}
	sent := time.Now()
	c.begin()
	t.e.requests.Add(1)
	resp, err := t.e.transport.RoundTrip(r)
	if err != nil {
		h.release()
		return nil, t.connectionError(ctx, h, to.place, err)
	}
	c.progress()
	h.answered.Store(true)
	return &answer{resp, to, h, sent}, nil
}

// request makes a request.
func (t *target) request(ctx context.Context, to hop, span string, pin Pin, c *clock) (*http.Request, error) {
	u := *to.place.URL
	u.User = nil
	if !to.bare && len(pin.Query) > 0 {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += pin.Query.Encode()
	}
	r := (&http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Header: make(http.Header),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	r.Header.Set("User-Agent", "shardfs")
	r.Header.Set("Accept", "*/*")
	r.Header.Set("Accept-Encoding", "identity")
	maps.Copy(r.Header, to.place.Header)
	maps.Copy(r.Header, pin.Header)
	if span != "" {
		r.Header.Set("Range", span)
	}
	var content *Content
	if to.place.Body != nil {
		content = BytesContent(to.place.Body)
	}
	if t.call != nil {
		r.Method, content = t.call.Method, t.call.Body
		maps.Copy(r.Header, t.call.Header)
	}
	if content != nil && content.Size > 0 {
		r.Body, r.ContentLength = t.newBody(content, c), content.Size
		r.GetBody = func() (io.ReadCloser, error) { return t.newBody(content, c), nil }
	}
	return r, nil
}

// next returns where an answer sends the request.
func (t *target) next(a *answer, body []byte) (to hop, moved bool, err error) {
	p := a.hop.place
	if p.Moved != nil {
		if next := p.Moved(a.StatusCode, a.Header, body); next != nil {
			if err := t.allowed(a, next.URL); err != nil {
				return to, false, err
			}
			return hop{next, false, t.isForeign(next.URL)}, true, nil
		}
	}
	switch a.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if t.call != nil { // they may mean that a GET request follows
			return to, false, nil
		}
	default:
		return to, false, nil
	}
	u, err := p.URL.Parse(a.Header.Get("Location"))
	if err != nil || a.Header.Get("Location") == "" {
		return to, false, nil
	}
	if err := t.allowed(a, u); err != nil {
		return to, false, err
	}
	next := *p
	next.URL, next.Moved = u, nil
	if u.Scheme == t.home.URL.Scheme && u.Host == t.home.URL.Host {
		next.Moved = t.home.Moved
	}
	signs := u.Host == p.URL.Host
	if p.SignsFor != nil {
		signs = p.SignsFor(u)
	}
	if !signs || u.Scheme != p.URL.Scheme {
		next.Header, next.Sign, next.Renew = nil, nil, nil
	}
	return hop{&next, true, t.isForeign(u)}, true, nil
}

func (t *target) isForeign(u *url.URL) bool { return u.Hostname() != t.home.URL.Hostname() }

// allowed returns an error if a redirect is not followed.
func (t *target) allowed(a *answer, u *url.URL) error {
	text := ""
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		text = "a redirect to something else than http or https is not followed"
	case u.Scheme == "http" && a.hop.place.URL.Scheme == "https":
		text = "a redirect from https to http is not followed"
	default:
		return nil
	}
	return &failure{host: a.host.name, text: text, kind: store.ErrUnreachable, again: never, place: a.hop.place}
}
