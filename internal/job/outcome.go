package job

import (
	"context"
	"errors"
)

// Status is what has become of a source of a run. Programs print it.
type Status string

const (
	StatusPublished   Status = "published"   // its output is
	StatusSkipped     Status = "skipped"     // its output was there
	StatusDone        Status = "done"        // nothing is packed
	StatusFailed      Status = "failed"      // it has no output, and Outcome.Err says why
	StatusInterrupted Status = "interrupted" // it has no output, because the context has ended
)

// Outcome is what has become of a source.
type Outcome struct {
	Source  int // its number
	Status  Status
	Summary Summary // of its samples that were finished; if it is published, of its output
	Err     error   // if it has failed, or was interrupted
}

// end tells what has become of a source, unless that was told before. Where all sources have one output it does nothing.
func (r *run) end(o Outcome) error {
	if r.Ended == nil || r.ended[o.Source] || r.Outputs == nil && r.Output.Name != "" {
		return nil
	}
	r.ended[o.Source] = true
	return r.Ended(o)
}

// endRest tells of the sources that were begun when an error has ended the run.
func (r *run) endRest(ctx context.Context, err error) error {
	status := StatusFailed
	if ctx.Err() != nil {
		status, err = StatusInterrupted, context.Cause(ctx)
	}
	var all error
	for _, number := range r.todo {
		o := Outcome{Source: number, Status: status, Err: err}
		if r.leg != nil && number == r.leg.number {
			o.Summary = r.leg.summary()
		}
		all = errors.Join(all, r.end(o))
		if r.leg == nil || number == r.leg.number {
			break
		}
	}
	return all
}
