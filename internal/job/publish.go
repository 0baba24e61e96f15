package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// leave packs what follows the last sample of a leg, all of whose results were handled.
func (r *run) leave(ctx context.Context, l *leg) error {
	r.enter(l)
	if l.err != nil && !l.givenUp.Load() {
		if err := r.fail(ctx, l, l.err); err != nil {
			return err
		}
	}
	if l.space == nil {
		return nil
	}
	if r.Output.Name == "" {
		if err := r.end(Outcome{Source: l.number, Status: StatusDone, Summary: l.summary()}); err != nil {
			return err
		}
	}
	if !l.givenUp.Load() {
		if err := r.packRest(ctx, l); err != nil {
			if err := r.fail(ctx, l, err); err != nil {
				return err
			}
		}
	}
	if l.failures == nil || l.ownFailures || l.base.Index == nil || !r.several() {
		return nil
	}
	base := l.base
	base.Size = 0 // its end is not needed, and may be damaged
	err := l.failures.Rest(base)
	if err == nil {
		err = l.failures.Flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.failures.Name, err)
	}
	return nil
}

// packRest packs what follows the last sample of a leg into the output. An output of several legs needs nothing of this
// one any more afterwards.
func (r *run) packRest(ctx context.Context, l *leg) error {
	if l.ownOut || !r.several() {
		if l.out == nil || !r.Choice.All() {
			return nil
		}
		if err := r.checkFailureLimit(r.now.Samples); err != nil {
			return err
		}
		return l.space.Finish(ctx, l.out.Writer)
	}
	if l.out == nil {
		return nil
	}
	if err := l.space.Finish(ctx, l.out.Writer); err != nil {
		return err
	}
	if err := l.out.Flush(); err != nil {
		return fmt.Errorf("%s: %w", l.out.Name, err)
	}
	return nil
}

// publication is what publishes the own outputs of a leg, and closes it.
type publication struct {
	leg     *leg
	done    chan struct{} // closed when the fields below are set
	summary *Summary      // nil: nothing was published
	err     error         // of publishing
	closing error         // of closing the leg
}

// closeLater publishes the own outputs of a leg and closes it in the background, after those of the leg before.
func (r *run) closeLater(ctx context.Context, l *leg) error {
	if err := r.collect(ctx, true); err != nil {
		return err
	}
	p := &publication{leg: l, done: make(chan struct{})}
	r.publishing = p
	go func() {
		defer close(p.done)
		if !l.givenUp.Load() && (l.ownOut || l.ownFailures) {
			p.summary, p.err = r.publishLeg(ctx, l)
		}
		if p.err == nil { // else its outputs are looked at first
			p.closing = r.opener.close(l)
		}
	}()
	return nil
}

// publishLeg publishes the own outputs of a leg. It returns no summary if there is no output of samples.
func (r *run) publishLeg(ctx context.Context, l *leg) (*Summary, error) {
	out, failures := l.out, l.failures
	if l.samples == 0 && !r.Choice.All() && !r.Choice.AllowEmpty {
		return nil, nil // no sample of it was chosen
	}
	if !l.ownOut {
		out = nil
	}
	if !l.ownFailures {
		failures = nil
	}
	err := r.commit(ctx, out, failures, l.tally, l.space.Name)
	if errors.Is(err, output.ErrSkip) {
		l.exists = true // another process has published it
		return nil, nil
	}
	if errors.Is(err, pack.ErrEmpty) {
		err = fmt.Errorf("%s: %w", l.space.Name, err) // which names the output
	}
	if err != nil || out == nil {
		return nil, err
	}
	s := l.summary()
	s.Skipped = l.skipped
	s.of(out)
	return &s, nil
}

// collect handles the end of the publication that runs in the background, if there is one and it has ended or is to be
// waited for.
func (r *run) collect(ctx context.Context, wait bool) error {
	p := r.publishing
	if p == nil {
		return nil
	}
	if !wait {
		select {
		case <-p.done:
		default:
			return nil
		}
	}
	<-p.done
	r.publishing = nil
	l := p.leg
	if l.exists && !r.exists[l.number] {
		r.existed++
		if err := r.points.removeOf(l); err != nil {
			return err
		}
		if err := r.end(Outcome{Source: l.number, Status: StatusSkipped}); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(p.err, fs.ErrPermission), errors.Is(p.err, fs.ErrNotExist):
		return p.err // of the output
	case p.err != nil:
		if err := r.fail(ctx, l, p.err); err != nil {
			return err
		}
		return r.opener.close(l)
	case p.closing != nil:
		return p.closing
	case p.summary == nil:
		return nil
	}
	r.outputs++
	if err := r.points.removeOf(l); err != nil {
		return err
	}
	if l.done == 0 { // else an earlier run may have met them
		l.out.WarnUnmatched()
	}
	return r.end(Outcome{Source: l.number, Status: StatusPublished, Summary: *p.summary})
}

// publishLast publishes the own outputs of the last leg. If there is an output of all legs, it stays open, because the end
// of that may be a copy of its end.
func (r *run) publishLast(ctx context.Context) error {
	if r.Outputs != nil {
		if err := r.closeLater(ctx, r.last); err != nil {
			return err
		}
	}
	if err := r.collect(ctx, true); err != nil {
		return err
	}
	if l := r.last; r.Outputs == nil && l.ownFailures {
		return r.commit(ctx, nil, l.failures, l.tally, r.sourceName(l))
	}
	return nil
}

// errNothingLeft is a failure of all samples of an output.
var errNothingLeft = failure{errors.New("no sample is left")}

// signalled is how long after a failure nothing is published. An engine that ends a task sends its signal to all processes,
// and a command may get it before this one: its sample has not failed, and must not be missing in an output.
const signalled = 500 * time.Millisecond

// commit publishes outputs, first that of failed samples. Each may be nil; of is the name of the sources and t their
// samples.
func (r *run) commit(ctx context.Context, out, failures *output.Output, t tally, of string) error {
	if t.failed > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(t.lastFailed.Add(signalled))):
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failures != nil {
		if err := failures.Commit(ctx); err != nil {
			return err
		}
	}
	if out == nil {
		return nil
	}
	if out.Summary().Samples == 0 && t.failed > 0 && !r.Choice.AllowEmpty {
		return fmt.Errorf("%s: %w after %s failed, so nothing is written", of, errNothingLeft,
			ui.Count(t.failed, "sample"))
	}
	return out.Commit(ctx)
}

// publish publishes the outputs of all legs.
func (r *run) publish(ctx context.Context) error {
	all := tally{samples: r.now.Samples, failed: len(r.now.Failed), lastFailed: r.lastFailed}
	err := r.commit(ctx, r.out, r.failures, all, r.name())
	switch {
	case err == nil && r.out == nil && r.Outputs == nil:
		return r.confirm(ctx)
	case err == nil && r.out == nil:
		return nil
	case errors.Is(err, pack.ErrEmpty), errors.Is(err, errNothingLeft):
		return errors.Join(err, r.points.giveUp(r.last))
	case errors.Is(err, output.ErrSkip): // another process has published it
		return errors.Join(err, r.points.remove())
	case err != nil:
		return err
	}
	if r.from.Samples == 0 {
		r.out.WarnUnmatched()
	}
	return r.points.remove()
}

// withFailures publishes the output of failed samples if a failed sample has ended the run, unless commit has done it.
func (r *run) withFailures(ctx context.Context, err error) error {
	if !errors.Is(err, ErrSampleFailed) || errors.Is(err, errNothingLeft) {
		return err
	}
	failures := r.failures
	if r.leg != nil && r.leg.failures != nil {
		failures = r.leg.failures
	}
	if failures == nil {
		return err
	}
	return errors.Join(err, failures.Commit(ctx))
}

// confirm returns an error if a shard has changed since it was opened, by this run or by the one that it continues.
func (r *run) confirm(ctx context.Context) error {
	for i, version := range r.from.Versions {
		if err := r.confirmVersion(ctx, i, version); err != nil {
			return err
		}
	}
	return source.Confirm(ctx, r.read)
}
