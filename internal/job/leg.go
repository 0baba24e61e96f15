package job

import (
	"cmp"
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// leg is what a run does with one of its sources. It is handed on: from the opener to the sequence of jobs, then to the
// loop over their results, and at last to what publishes its outputs and closes it. Each uses it alone, but for what the
// sequence reads while the loop has it: the workspace and givenUp.
type leg struct {
	number int                  // of the source
	space  *workspace.Workspace // nil: it could not be opened, or need not be
	err    error                // why not all samples have a job; nil if they have

	out, failures       *output.Output // where samples, and failed samples, are packed; nil: nowhere
	ownOut, ownFailures bool           // it alone uses them
	exists              bool           // its own output exists, so only its keys count
	done                int            // chosen samples that an earlier run has finished

	// Set by the sequence of jobs.
	seen    int // samples of all sources before it
	skipped int // samples of it that are not chosen
	begun   time.Time

	givenUp atomic.Bool // its samples are not run or packed any more

	// Set by the loop.
	base pack.Base // shard of the last sample that was handled
	tally
	resumed *progress // of the earlier run that it continues; nil: none
}

// tally counts samples.
type tally struct {
	samples int   // finished
	failed  int   // of these
	bytesIn int64 // of plain tar

	lastFailed time.Time // when the last failure was counted
}

// openLeg opens a leg: its outputs, if it has its own, and its workspace.
func (r *run) openLeg(ctx context.Context, number int) *leg {
	l := &leg{number: number, out: r.out, failures: r.failures, err: r.names[number].Missing()}
	if l.err == nil {
		err := r.openOutputs(ctx, l)
		if l.exists = errors.Is(err, output.ErrSkip); err != nil && !l.exists {
			l.err = outputError{err}
		}
	}
	if l.err != nil || l.exists {
		return l
	}
	o := r.Workspace
	if !l.ownOut {
		o.Source.Input = number
	}
	resume := r.points.continues(number)
	o.Indexed = resume          // it begins somewhere in the shard
	if r.opener.opened != nil { // another leg was opened before
		o.TempDir = cmp.Or(o.TempDir, os.TempDir())     // no need to look again for what killed runs have left
		o.Source.Shard.Progress = func(int64, int64) {} // the progress of the run is shown
	}
	if l.space, l.err = workspace.Open(ctx, r.names[number], o); l.err == nil && resume {
		l.err = r.continueLeg(ctx, l)
	}
	return l
}

// outputError is an error of creating an output, and not of a source.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// openOutputs creates the outputs of a leg that has its own.
func (r *run) openOutputs(ctx context.Context, l *leg) (err error) {
	if r.Outputs != nil {
		if r.exists[l.number] {
			return output.ErrSkip
		}
		o := r.Output
		o.Name, o.Confirm, o.Continue = r.Outputs[l.number], l.confirm, r.points.part(l.number)
		o.Try, r.tried = !r.tried, true
		if l.out, err = output.Create(ctx, o); err != nil {
			return err
		}
		l.ownOut = true
	}
	if r.FailedOutputs != nil {
		o := r.Failed
		o.Name, o.Confirm = r.FailedOutputs[l.number], l.confirm
		if l.failures, err = output.Create(ctx, o); err != nil {
			return err
		}
		l.ownFailures = true
	}
	return nil
}

// confirm returns an error if the shard of a leg has changed since it was opened.
func (l *leg) confirm(ctx context.Context) error {
	if l.space == nil {
		return nil
	}
	return l.space.Witness.Confirm(ctx)
}

// summary returns what was done of a leg that was entered, or could not be.
func (l *leg) summary() Summary {
	s := Summary{Done: l.samples - l.failed, Failed: l.failed, BytesIn: l.bytesIn}
	if l.space != nil {
		s.Cut = l.space.Cut
	}
	if !l.begun.IsZero() {
		s.took(time.Since(l.begun), l.samples-l.done)
	}
	return s
}

// close closes a leg. Own outputs that are not published are discarded.
func (l *leg) close() error {
	if l.ownOut {
		l.out.Abort()
	}
	if l.ownFailures {
		l.failures.Abort()
	}
	if l.space == nil {
		return nil
	}
	return l.space.Close()
}

// enter begins to handle the results of a leg, after those of all legs before it.
func (r *run) enter(l *leg) {
	if r.leg == l {
		return
	}
	if before := r.leg; before != nil && r.points != nil && r.Outputs == nil {
		r.now.Versions = append(r.now.Versions, before.space.Shard.Version())
	}
	r.leg = l
	if l.space == nil {
		return
	}
	r.now.Source, r.now.Seen, r.now.Taken, r.now.BytesBefore = l.number, l.seen, r.now.Samples, r.now.BytesIn
	r.now.Unpacked = l.number > 0 && !l.ownOut
	if from := l.resumed; from != nil {
		r.now.Taken, r.now.BytesBefore, r.now.Unpacked = from.Taken, from.BytesBefore, from.Unpacked
	}
	r.cut = errors.Join(r.cut, l.space.Cut)
	r.read = append(r.read, l.space.Witness)
	r.countTotal(l)
}

// sourceName returns the name of a source as workspaces have it.
func (r *run) sourceName(l *leg) string {
	if l.space != nil {
		return l.space.Name
	}
	return r.names[l.number].String()
}
