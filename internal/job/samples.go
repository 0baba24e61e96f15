package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// runLegs runs the command in the chosen samples of all sources, handles the results, and leaves all legs but the last
// one, which the caller leaves.
func (r *run) runLegs(ctx context.Context, first *leg) error {
	jobs, stop := context.WithCancel(ctx)
	defer stop()
	r.stdout = r.UI.Through(pipe.NewWriter(jobs, r.Stdout), r.Stdout)
	var failed error
	err := runner.Run(jobs, r.runnerOptions(), r.jobs(jobs, first), func(result runner.Result) bool {
		if failed = r.handle(ctx, result); failed != nil {
			stop()
		}
		return failed == nil
	})
	if errors.Is(err, runner.ErrWorker) {
		err = failure{fmt.Errorf("%s: %w", r.name(), err)} // its results cannot be trusted
	}
	return cmp.Or(failed, err)
}

func (r *run) runnerOptions() runner.Options {
	o := runner.Options{
		Argv: r.Argv, Env: r.Env, Jobs: r.Jobs, Retries: r.Retries,
		Timeout: r.Timeout, Stderr: r.Stderr, Spill: r.Workspace.TempDir, Log: r.AddLog != "", Worker: r.Worker,
		Hurry: r.Hurry,
		Spare: func(pid int) bool { return r.opener.owns(pid) || r.out.Owns(pid) || r.failures.Owns(pid) },
	}
	if r.Worker { // which has samples of all shards
		isShard := func(v string) bool { return strings.HasPrefix(v, shardPrefix) }
		o.Env = slices.DeleteFunc(slices.Clone(r.Env), isShard)
		if !r.several() {
			o.Env = append(o.Env, shardPrefix+r.name())
		}
	}
	if r.report != nil {
		o.Tail = reportTail
	}
	if !r.Worker && ui.IsTerminal(r.Stdout) {
		o.Terminal = r.Stdout
	}
	return o
}

// handle handles the result of one command, or leaves a leg after that of its last one.
func (r *run) handle(ctx context.Context, res runner.Result) error {
	switch tag := res.Tag.(type) {
	case *leg:
		if err := r.leave(ctx, tag); err != nil {
			return err
		}
		return r.closeLater(ctx, tag)
	case handled:
		l := tag.leg
		if r.enter(l); l.givenUp.Load() {
			for _, t := range tag.tasks {
				t.Free() // what is left is removed with the leg
			}
			return nil
		}
		if err := r.handleResult(ctx, l, tag.tasks, res); err != nil {
			return r.fail(ctx, l, err)
		}
	}
	return nil
}

// handleResult handles the result of the command for the samples of a batch.
func (r *run) handleResult(ctx context.Context, l *leg, batch []*workspace.Task, res runner.Result) error {
	if err := l.space.Err(); err != nil {
		return err
	}
	if err := l.space.Unchanged(ctx); err != nil {
		return err
	}
	n, err := res.Output.WriteTo(r.stdout)
	if r.printed += n; err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	var stop error
	if res.Err != nil {
		err := sampleError(l.space.Name, nameOf(batch), res.Err)
		if !runner.Failed(res.Err) && !errors.Is(res.Err, ErrSampleFailed) {
			return err
		}
		stop = r.reportFailure(err, res.Err)
	}
	for _, t := range batch {
		if err := r.finishSample(l, t, res); err != nil {
			return err
		}
	}
	if stop != nil {
		return stop
	}
	all := l.space.Samples
	known := all > 0 && !r.several()
	if !known {
		all = r.now.Samples
	}
	if known || !r.MaxFailed.percent {
		if err := r.checkFailureLimit(all); err != nil {
			return err
		}
	}
	if err := r.collect(ctx, false); err != nil {
		return err
	}
	return r.points.maybeSave(r)
}

// reasonOf returns which of the reasons for which a sample cannot be packed an error wraps.
func reasonOf(err error) error {
	for _, reason := range []error{pack.ErrSameKey, pack.ErrDuplicateExtension} {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return pack.ErrKey
}

// finishSample counts a sample after its command has ended, reports it, and packs it.
func (r *run) finishSample(l *leg, t *workspace.Task, res runner.Result) error {
	dir, exists := t.Before, true
	var stop error
	if res.Err == nil && l.out != nil {
		var err error
		if dir, exists, err = t.State(); err != nil {
			return fmt.Errorf("%s: %w", l.space.Name, err)
		}
		if exists && r.AddLog != "" {
			dir, res.Err = withLog(t, dir, r.AddLog, res.Log)
		}
		switch {
		case res.Err != nil:
			stop = r.reportFailure(sampleError(l.space.Name, shortened(t.Key), res.Err), errLogThere)
		case exists:
			if res.Err = l.out.Check(t.Base, dir); res.Err != nil {
				err := fmt.Errorf("%s: %w", l.space.Name, res.Err) // res.Err names the sample
				stop = r.reportFailure(err, reasonOf(res.Err))
			}
		case t.Before.Sample != nil:
			res.Err = errRemoved
			stop = r.reportFailure(sampleError(l.space.Name, shortened(t.Key), errRemoved), errRemoved)
		}
	}
	if res.Err == nil && l.out == nil && t.Before.Sample != nil { // else it is in place, where changes stay
		if dir, exists, err := t.State(); err != nil || !exists || !pack.Unchanged(t.Base, dir) {
			r.lost++
		}
	}
	l.base = t.Base
	r.count(l, t)
	defer r.show()
	if err := r.report.add(r.shardField(l), t, res); err != nil {
		return err
	}
	if res.Err != nil {
		if err := r.recordFailure(l, t); err != nil {
			return err
		}
		switch r.OnError {
		case Stop:
			return stop
		case Keep:
			dir, exists = t.Before, true
		case Skip:
			t.Skip()
			exists = false
		}
	}
	if l.out != nil {
		if err := r.pack(l, t, dir, exists); err != nil {
			return fmt.Errorf("%s: %w", l.space.Name, err)
		}
	}
	return t.Free()
}

// count counts a sample that is finished.
func (r *run) count(l *leg, t *workspace.Task) {
	l.samples++
	r.now.Samples++
	if s := t.Before.Sample; s != nil {
		n := t.Base.Index.Offset(s.End) - t.Base.Index.Offset(s.Start)
		l.bytesIn += n
		r.now.BytesIn += n
	}
}

// recordFailure counts a failed sample, and packs it, as it was before its command, into the output of failed samples.
func (r *run) recordFailure(l *leg, t *workspace.Task) error {
	l.failed++
	r.lastFailed = time.Now()
	l.lastFailed = r.lastFailed
	r.now.Failed = append(r.now.Failed, t.Number)
	if r.several() {
		r.now.FailedIn = append(r.now.FailedIn, l.number)
	}
	if l.failures == nil {
		return nil
	}
	return packFailure(l.failures, t.Base, t.Before)
}

// packFailure packs a failed sample.
func packFailure(out *output.Output, base pack.Base, dir pack.Dir) error {
	err := out.WriteDir(base, dir)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", out.Name, err)
	}
	return nil
}

// pack packs a sample or, if it does not exist any more, only the members around it that belong to no sample.
func (r *run) pack(l *leg, t *workspace.Task, dir pack.Dir, exists bool) (err error) {
	if exists {
		r.now.Unpacked = false
		err = l.out.WriteDir(t.Base, dir)
	} else {
		err = t.PackBetween(l.out.Writer)
	}
	if err != nil {
		return err
	}
	return l.out.Flush()
}

// checkFailureLimit returns an error if more samples have failed than the limit allows for this number of samples.
func (r *run) checkFailureLimit(all int) error {
	failed := len(r.now.Failed)
	if !r.MaxFailed.exceeded(failed, all) {
		return nil
	}
	return failure{fmt.Errorf("%s: %d of %s failed, more than the limit of %s",
		r.name(), failed, ui.Count(all, "sample"), r.MaxFailed)}
}

// withLog adds the output of a sample's command to its directory as a file. The error is errLogThere if there is one of
// that name already.
func withLog(t *workspace.Task, d pack.Dir, ext string, log *runner.Output) (pack.Dir, error) {
	if d.Untouched {
		d.Untouched = false
		d.Files = pack.MemberFiles(t.Base.Index, *d.Sample, func(string) bool { return true })
	}
	name := index.SampleFile(ext)
	if slices.ContainsFunc(d.Files, func(file pack.DirFile) bool { return file.Name == name }) {
		err := fmt.Errorf("--add-log %s: %w", ext, errLogThere)
		return d, ui.WithHint(err, "take another extension, or let the command remove "+name)
	}
	d.Files = append(slices.Clone(d.Files), pack.DirFile{
		Name: name, Row: pack.Changed, Size: log.Len(), Mode: 0o644, ModTime: time.Now(),
		Open: func() (fs.File, error) { return log.Open(name), nil },
	})
	return d, nil
}
