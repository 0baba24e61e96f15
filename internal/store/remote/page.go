package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// maxPage is the most bytes of a listing's page, or of another whole answer.
const maxPage = 16 << 20

// errSilence ends requests whose server is silent.
var errSilence = errors.New("no data")

// Do sends a GET request and returns its whole answer, of at most 16 MiB, if the status is 200. It is a function of type
// [Do].
func (e *Engine) Do(ctx context.Context, p *Place) (header http.Header, body []byte, err error) {
	t := newTarget(e, p)
	err = t.retry(ctx, func(ctx context.Context) (int, error) {
		header, body, err = t.page(ctx)
		return 0, err
	})
	if err != nil {
		return nil, nil, err
	}
	return header, body, nil
}

// page sends a request once and reads the whole answer.
func (t *target) page(ctx context.Context) (http.Header, []byte, error) {
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	var c clock
	watched := make(chan struct{})
	defer func() { cancel(nil); <-watched }()
	go func() {
		defer close(watched)
		t.watch(ctx, &c, cancel)
	}()
	silent := func(err error) error {
		if caller.Err() == nil && errors.Is(context.Cause(ctx), errSilence) {
			return &failure{host: t.home.URL.Hostname(), text: "no data for " + t.e.o.Silence.String(),
				kind: store.ErrUnreachable, local: true}
		}
		return err
	}
	a, err := t.ask(ctx, "", Pin{}, &c)
	if err != nil {
		return nil, nil, silent(err)
	}
	defer a.done()
	if a.StatusCode != http.StatusOK {
		return nil, nil, wrong(a, "%d %s", a.StatusCode, http.StatusText(a.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(counted{a.Body, t.e, &c}, maxPage+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, nil, silent(context.Cause(ctx))
	case err != nil:
		return nil, nil, &failure{host: a.host.name, text: connectionText(err), kind: store.ErrUnreachable,
			place: a.hop.place}
	case len(body) > maxPage:
		return nil, nil, &failure{host: a.host.name, text: fmt.Sprintf("an answer of more than %d MiB", maxPage>>20),
			kind: store.ErrUnreachable, again: never, place: a.hop.place}
	}
	a.host.succeeded(c.worst)
	return a.Header, body, nil
}

// watch ends a request whose server is silent for too long.
func (t *target) watch(ctx context.Context, c *clock, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(t.e.o.Silence / 8)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if c.silence() >= t.e.o.Silence {
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
