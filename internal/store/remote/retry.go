package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// enough is how many bytes of a try count as progress: after it, tries are counted anew.
const enough = 64 << 10

// patience is after how long without progress the user is told without asking.
const patience = 5 * time.Second

// retrier decides about further tries for one range or page.
type retrier struct {
	e       *Engine
	host    *host
	budget  time.Duration
	since   time.Time // of the first try, or the last progress
	began   time.Time // of the last try
	tries   int       // since then
	wrong   int       // wrong answers among them
	renewed bool      // the credentials, since then
	told    bool      // the user, of a long wait
}

// retry calls try until it succeeds or further tries are of no use. Try returns how many bytes it has got.
func (t *target) retry(ctx context.Context, try func(ctx context.Context) (progress int, err error)) error {
	h := t.e.host(t.home.URL)
	r := &retrier{e: t.e, host: h, since: time.Now()}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.began = time.Now()
		n, err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n > 0 && (n >= enough || r.tries == 0) {
			r.since, r.tries, r.wrong, r.renewed = time.Now(), 0, 0, false
		}
		r.tries++
		if err := r.wait(ctx, err, n); err != nil {
			return err
		}
		t.e.retries.Add(1)
	}
}

// wait waits until the next try, or returns why there is none.
func (r *retrier) wait(ctx context.Context, err error, progress int) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	r.budget = store.Patience(ctx, r.e.o.Budget)
	host := r.host
	if f.place != nil { // a redirect may have led to another one
		host = r.e.host(f.place.URL)
	}
	if f.local && !host.answered.Load() {
		r.budget = min(r.budget, r.e.o.FirstBudget)
	}
	pause := min(r.e.o.FirstPause<<min(r.tries-1, 16), r.e.o.MostPause)
	pause = rand.N(pause + 1)
	switch {
	case errors.Is(f.kind, fs.ErrPermission) && !r.renewed && f.asked != nil && f.place.Renew != nil:
		r.renewed = true
		renews := false
		err := r.e.waiting("credentials of "+f.host, func() error { renews = f.place.Renew(ctx, f.asked); return nil })
		if err != nil || !renews {
			return f
		}
		pause = 0
	case f.again == never:
		return r.final(f)
	case f.again == once:
		if r.wrong++; r.wrong > 1 {
			return r.final(f)
		}
		r.e.transport.CloseIdleConnections()
		pause = 0
	case progress > 0 && r.tries == 1:
		pause = 0
	}
	pause = max(pause, f.after, time.Until(r.began.Add(r.e.o.Pace)))
	if time.Since(r.since)+pause > r.budget {
		if f.after > r.budget {
			f.text += ", which asks to wait for " + f.after.String()
		}
		return r.final(f)
	}
	if !r.told && time.Since(r.since)+pause > patience {
		r.told = true
		r.e.o.Warn(fmt.Sprintf("%v; trying again for up to %v", f, r.budget))
	} else if pause >= time.Second {
		r.e.o.Detail(fmt.Sprintf("%v; next try in %v", f, pause.Round(time.Second)))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// final returns the error of the last try.
func (r *retrier) final(f *failure) error {
	if r.tries < 2 {
		return f
	}
	return &triedError{f, r.tries, time.Since(r.since)}
}
