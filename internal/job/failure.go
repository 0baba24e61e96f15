package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// Errors of runs with failed samples.
var (
	ErrSampleFailed = errors.New("a sample failed")
	ErrPartial      = errors.New("published without the failed samples")
)

// Failures of samples whose commands had status 0.
var (
	errRemoved  = errors.New("the command has removed or renamed the sample's directory")
	errLogThere = errors.New("the sample has a member of that extension, which the log does not replace")
)

// failure is an error for which errors.Is(err, ErrSampleFailed): the command failed, or left a sample that cannot be
// packed. The policy for failed samples applies to no other error: a full disk is not the sample's fault.
type failure struct{ error }

func (f failure) Unwrap() error        { return f.error }
func (f failure) Is(target error) bool { return target == ErrSampleFailed }

// Limit is how many samples may fail: a number, or a percentage of all. The zero value is no limit.
type Limit struct {
	text    string
	percent bool
	most    float64
}

// ParseLimit parses a limit, N or P%. The empty text is no limit.
func ParseLimit(text string) (Limit, error) {
	if text == "" {
		return Limit{}, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	most, err := strconv.ParseFloat(number, 64)
	if err != nil || !(most >= 0) || percent && most > 100 || !percent && strings.Trim(number, "0123456789") != "" {
		return Limit{}, errors.New("neither a number nor a percentage from 0% to 100%")
	}
	return Limit{text, percent, most}, nil
}

// String returns the limit as it was given.
func (l Limit) String() string { return l.text }

// exceeded reports whether failed samples of all are more than the limit.
func (l Limit) exceeded(failed, all int) bool {
	most := l.most
	if l.percent {
		most = l.most * float64(all) / 100
	}
	return l.text != "" && float64(failed) > most
}

// sampleError adds the source and the sample to an error.
func sampleError(source, sample string, err error) error {
	return fmt.Errorf("%s: sample %s: %w", source, sample, err)
}

// fail gives up a leg because of an error of its source, if other legs have outputs of their own and the policy is not
// Stop. Else it returns the error, which ends the run.
func (r *run) fail(ctx context.Context, l *leg, err error) error {
	if ctx.Err() != nil || r.Outputs == nil || errors.Is(err, ErrSampleFailed) && !errors.Is(err, errNothingLeft) ||
		errors.As(err, new(outputError)) {
		return err
	}
	if writeErr := l.writeError(); writeErr != nil {
		return writeErr
	}
	err = r.explainIn(ctx, l, err)
	if !ofSource(err) {
		return err
	}
	if reportErr := r.report.addShard(r.sourceName(l), err); reportErr != nil {
		return reportErr
	}
	if err := r.end(Outcome{Source: l.number, Status: StatusFailed, Summary: l.summary(), Err: err}); err != nil {
		return err
	}
	if r.OnError == Stop {
		return err
	}
	r.UI.Fail(err)
	l.givenUp.Store(true)
	r.givenUp = append(r.givenUp, err)
	if l.ownOut && r.points != nil {
		return r.points.giveUp(l)
	}
	return nil
}

// ofSource reports whether an error is about one source or its samples, and says nothing about others.
func ofSource(err error) bool {
	is := func(target error) bool { return errors.Is(err, target) }
	return workspace.OfSource(err) || slices.ContainsFunc([]error{
		errNothingLeft, pack.ErrEmpty, pack.ErrKey, pack.ErrSameKey, pack.ErrChanged, pack.ErrDuplicateExtension,
	}, is)
}

// explain returns the error that is behind an error of the run: of writing an output, or that a shard has changed.
func (r *run) explain(ctx context.Context, err error) error {
	if r.leg != nil {
		return r.explainIn(ctx, r.leg, err)
	}
	return r.Output.Explain(ctx, err)
}

// writeError returns the error that has ended the writing of an output; nil if there is none.
func (l *leg) writeError() error {
	if err := l.out.WriteError(); err != nil {
		return err
	}
	return l.failures.WriteError()
}

// explainIn is explain for an error in a leg.
func (r *run) explainIn(ctx context.Context, l *leg, err error) error {
	if writeErr := l.writeError(); writeErr != nil && ctx.Err() == nil {
		return writeErr
	}
	o := r.Output
	if l.ownOut {
		o.Confirm = l.confirm
	}
	return o.Explain(ctx, err)
}
