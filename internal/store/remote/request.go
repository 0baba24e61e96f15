package remote

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// maxPage is the most bytes of a listing's page, or of another whole answer.
const maxPage = 16 << 20

// errSilence ends requests whose server is silent.
var errSilence = errors.New("no data")

// Content is the body of a request, which may be read several times. It is safe for concurrent use.
type Content struct {
	io.ReaderAt
	Size   int64  // bytes
	CRC32C uint32 // CRC-32C of all of them
}

// BytesContent returns the content with these bytes.
func BytesContent(b []byte) *Content {
	return &Content{bytes.NewReader(b), int64(len(b)), crc32.Checksum(b, castagnoli())}
}

// castagnoli returns the table of CRC-32C, the same at each call.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// MD5 reads the content to compute its MD5.
func (c *Content) MD5() ([]byte, error) {
	h := md5.New()
	_, err := io.Copy(h, io.NewSectionReader(c, 0, c.Size))
	return h.Sum(nil), err
}

// Request is a request by which an object is written. Its place may have a query of its own.
type Request struct {
	Method string
	Place  *Place
	Header http.Header // besides that of the place; nil for none
	Body   *Content    // nil for none

	// Once says that it is not sent again: only looking at the object tells what a request without an answer has done.
	Once bool

	// Patience is for how much longer than with other requests the server may be silent.
	Patience time.Duration

	// Refused reports whether the body of an answer is an error, although the status says that there is none. Nil means
	// that it never is.
	Refused func(body []byte) bool
}

// Reply is the answer to a [Request] with a status that is no error.
type Reply struct {
	Header http.Header
	Body   []byte // at most 16 MiB
	Tries  int    // how often the request was sent
}

// Send sends a request as the engine sends all of them: it is signed, follows redirects, is tried again, and ends if the
// server is silent.
type Send func(ctx context.Context, r *Request) (*Reply, error)

// Send sends a request. It is a function of type [Send].
func (e *Engine) Send(ctx context.Context, r *Request) (*Reply, error) {
	t := newTarget(e, r.Place)
	t.call = r
	var reply *Reply
	tries := 0
	try := func(ctx context.Context) (_ int, err error) {
		tries++
		reply, err = t.whole(ctx)
		return 0, err
	}
	var err error
	if r.Once {
		_, err = try(ctx)
	} else {
		err = t.retry(ctx, try)
	}
	if err != nil {
		return nil, err
	}
	reply.Tries = tries
	return reply, nil
}

// Do sends a GET request and returns its whole answer, of at most 16 MiB, if the status is 200. It is a function of type
// [Do].
func (e *Engine) Do(ctx context.Context, p *Place) (header http.Header, body []byte, err error) {
	t := newTarget(e, p)
	var reply *Reply
	err = t.retry(ctx, func(ctx context.Context) (int, error) {
		reply, err = t.whole(ctx)
		return 0, err
	})
	if err != nil {
		return nil, nil, err
	}
	return reply.Header, reply.Body, nil
}

// whole sends a request once and reads the whole answer.
func (t *target) whole(ctx context.Context) (*Reply, error) {
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	limit := t.e.o.Silence
	if t.call != nil {
		limit += t.call.Patience
	}
	var c clock
	watched := make(chan struct{})
	defer func() { cancel(nil); <-watched }()
	go func() {
		defer close(watched)
		c.watch(ctx, limit, cancel)
	}()
	reply, err := t.exchange(ctx, &c)
	if err != nil && caller.Err() == nil && errors.Is(context.Cause(ctx), errSilence) {
		err = &failure{host: t.home.URL.Hostname(), text: "no data for " + limit.String(), kind: store.ErrUnreachable,
			local: true}
	}
	return reply, err
}

// exchange sends a request once and reads the whole answer, until ctx ends.
func (t *target) exchange(ctx context.Context, c *clock) (*Reply, error) {
	a, err := t.ask(ctx, "", Pin{}, c)
	if err != nil {
		return nil, err
	}
	defer a.done()
	if t.call == nil && a.StatusCode != http.StatusOK {
		return nil, wrong(a, "%d %s", a.StatusCode, http.StatusText(a.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(counted{a.Body, t.e, c}, maxPage+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &failure{host: a.host.name, text: connectionText(err), kind: store.ErrUnreachable,
			place: a.hop.place}
	case len(body) > maxPage:
		return nil, &failure{host: a.host.name, text: fmt.Sprintf("an answer of more than %d MiB", maxPage>>20),
			kind: store.ErrUnreachable, again: never, place: a.hop.place}
	case t.call == nil:
		a.host.succeeded(c.worst)
	case t.call.Refused != nil && t.call.Refused(body):
		return nil, t.fault(a, body, Pin{})
	default:
		a.host.accepted() // how long it takes to store something says nothing about reading
	}
	return &Reply{Header: a.Header, Body: body}, nil
}

// watch ends a request whose server is silent for too long.
func (c *clock) watch(ctx context.Context, limit time.Duration, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(limit / 8)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if c.silence() >= limit {
				cancel(errSilence)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// counted notes what is read of a body.
type counted struct {
	io.Reader
	e *Engine
	c *clock
}

func (r counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.c.progress()
	r.e.bytes.Add(int64(n))
	return n, err
}

// outgoing is the body of a request while it is sent. A server that takes bytes is not silent.
type outgoing struct {
	io.Reader
	sent *atomic.Int64
	c    *clock
}

// newBody returns the body of a request for one try.
func (t *target) newBody(content *Content, c *clock) io.ReadCloser {
	sent := new(atomic.Int64)
	if t.call != nil {
		sent = &t.e.sent
	}
	return io.NopCloser(outgoing{io.NewSectionReader(content, 0, content.Size), sent, c})
}

func (r outgoing) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.c.touch()
	r.sent.Add(int64(n))
	return n, err
}
