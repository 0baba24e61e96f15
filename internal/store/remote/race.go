package remote

import (
	"context"
	"errors"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// race is the requests of one try of a fetch: the one that writes, and perhaps a second one on another connection.
type race struct {
	f      *fetch
	e      *Engine
	host   *host
	span   span
	lead   *flow
	second *flow // may be nil
	seen   int64 // steps of lead when second was started

	stall time.Duration // the silence after which a second one is started
	limit time.Duration // the same of the next one
}

// try reads what is missing, with one request and, if that is silent for long, others on second connections. The first of
// them that continues is used.
func (f *fetch) try(ctx context.Context) error {
	e := f.t.e
	h := e.host(f.t.where(Pin{}).place.URL)
	s := span{f.off + int64(f.n), f.off + int64(len(f.p)), f.want, f.plain}
	stall := h.stall(e.o.Stall, store.Patience(ctx, e.o.Silence)/2)
	r := &race{f: f, e: e, host: h, span: s, lead: f.start(ctx, s), stall: stall, limit: stall}
	close(r.lead.lead)
	defer r.end()
	timer := time.NewTimer(stall)
	defer timer.Stop()
	for {
		var first, failed <-chan struct{}
		if r.second != nil {
			first, failed = r.second.first, r.second.done
		}
		select {
		case <-r.lead.done:
			if r.lead.err == nil || r.second == nil || ctx.Err() != nil || isFinal(r.lead.err) {
				return r.lead.err
			}
			r.promote()
		case <-first:
			if r.lead.steps.Load() != r.seen {
				r.drop() // the first connection goes on
				continue
			}
			if r.lead.stop(); r.lead.err == nil {
				return nil
			}
			r.promote()
		case <-failed:
			r.drop()
		case <-timer.C:
			if err := r.tick(ctx); err != nil {
				return err
			}
			timer.Reset(max(stall/8, time.Millisecond))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// isFinal reports whether another request would fail as well.
func isFinal(err error) bool {
	var f *failure
	return !errors.As(err, &f) || f.again == never
}

// promote lets the second request go on instead of the first one, which has ended.
func (r *race) promote() {
	r.lead, r.second = r.second, nil
	close(r.lead.lead)
}

// drop ends the second request.
func (r *race) drop() {
	r.second.stop()
	r.second = nil
}

// tick looks at how long the server has been silent.
func (r *race) tick(ctx context.Context) error {
	if r.lead.steps.Load() != r.seen {
		if r.limit = r.stall; r.second != nil {
			r.drop()
		}
	}
	silence := r.lead.clock.silence()
	if most := store.Patience(ctx, r.e.o.Silence); silence >= most {
		return &failure{host: r.host.name, text: "no data for " + most.String(), kind: store.ErrUnreachable,
			local: true}
	}
	next := r.span
	next.off = r.lead.span.off + r.lead.bytes.Load()
	if silence < r.limit || next.off >= next.end || !r.host.idle() {
		return nil
	}
	if r.second != nil {
		r.drop()
	}
	r.limit *= 2
	r.e.transport.CloseIdleConnections() // they may be as dead as this one
	r.e.hedges.Add(1)
	r.seen = r.lead.steps.Load()
	r.second = r.f.start(ctx, next)
	return nil
}

// end ends what is left.
func (r *race) end() {
	r.lead.stop()
	if r.second != nil {
		r.drop()
	}
}
