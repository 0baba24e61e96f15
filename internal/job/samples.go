package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// runSamples runs the command in each chosen sample of the open source and handles the results.
func (r *run) runSamples(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := runner.Options{
		Argv: r.Argv, Env: slices.Concat(r.Env, []string{"SHARD=" + r.space.Name}), Jobs: r.Jobs, Retries: r.Retries,
		Timeout: r.Timeout, Stderr: r.Stderr, Spill: r.space.Dir, Log: r.AddLog != "", Worker: r.Worker,
		Hurry: r.Hurry,
		Spare: func(pid int) bool { return pid == r.space.Pid || r.out.Owns(pid) || r.failures.Owns(pid) },
	}
	if r.report != nil {
		o.Tail = reportTail
	}
	if !r.Worker && ui.IsTerminal(r.Stdout) {
		o.Terminal = r.Stdout
	}
	r.stdout = r.UI.Through(pipe.NewWriter(ctx, r.Stdout), r.Stdout)
	var inputErr error
	for result, err := range runner.Run(ctx, o, r.jobs(ctx, &inputErr)) {
		switch {
		case err == nil:
			err = r.handleResult(ctx, result)
		case errors.Is(err, runner.ErrWorker):
			err = failure{fmt.Errorf("%s: %w", r.space.Name, err)} // its results cannot be trusted
		}
		if err != nil {
			cancel()
			return err
		}
	}
	return inputErr
}

// handleResult handles the result of one command.
func (r *run) handleResult(ctx context.Context, res runner.Result) error {
	if err := r.space.Err(); err != nil {
		return err
	}
	if err := r.space.Unchanged(ctx); err != nil {
		return err
	}
	n, err := res.Output.WriteTo(r.stdout)
	if r.printed += n; err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	batch := res.Tag.([]*workspace.Task)
	var stop error
	if res.Err != nil {
		err := sampleError(r.space.Name, nameOf(batch), res.Err)
		if !runner.Failed(res.Err) && !errors.Is(res.Err, ErrSampleFailed) {
			return err
		}
		stop = r.reportFailure(err, res.Err)
	}
	for _, t := range batch {
		if err := r.finishSample(t, res); err != nil {
			return err
		}
	}
	if stop != nil {
		return stop
	}
	if all := r.space.Samples; all > 0 && !r.several() {
		if err := r.checkFailureLimit(all); err != nil {
			return err
		}
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
func (r *run) finishSample(t *workspace.Task, res runner.Result) error {
	dir, exists := t.Before, true
	var stop error
	if res.Err == nil && r.out != nil {
		var err error
		if dir, exists, err = t.State(); err != nil {
			return fmt.Errorf("%s: %w", r.space.Name, err)
		}
		if exists && r.AddLog != "" {
			dir = withLog(t, dir, r.AddLog, res.Log)
		}
		switch {
		case exists:
			if res.Err = r.out.Check(t.Base, dir); res.Err != nil {
				err := fmt.Errorf("%s: %w", r.space.Name, res.Err) // res.Err names the sample
				stop = r.reportFailure(err, reasonOf(res.Err))
			}
		case t.Before.Sample != nil:
			res.Err = errRemoved
			stop = r.reportFailure(sampleError(r.space.Name, shortened(t.Key), errRemoved), errRemoved)
		}
	}
	if res.Err == nil && r.out == nil && t.Before.Sample != nil { // else it is in place, where changes stay
		if dir, exists, err := t.State(); err != nil || !exists || !pack.Unchanged(t.Base, dir) {
			r.lost++
		}
	}
	r.now.Samples++
	r.base = t.Base
	if s := t.Before.Sample; s != nil {
		r.now.BytesIn += t.Base.Index.Offset(s.End) - t.Base.Index.Offset(s.Start)
	}
	defer r.show()
	if err := r.report.add(r.shardField(), t, res); err != nil {
		return err
	}
	if res.Err != nil {
		if err := r.recordFailure(t); err != nil {
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
	if r.out != nil {
		if err := r.pack(t, dir, exists); err != nil {
			return fmt.Errorf("%s: %w", r.space.Name, err)
		}
	}
	return t.Free()
}

// recordFailure counts a failed sample, and packs it, as it was before its command, into the output of failed samples.
func (r *run) recordFailure(t *workspace.Task) error {
	r.now.Failed = append(r.now.Failed, t.Number)
	if r.several() {
		r.now.FailedIn = append(r.now.FailedIn, r.now.Source)
	}
	if r.failures == nil {
		return nil
	}
	return r.packFailure(t.Base, t.Before)
}

// packFailure packs a failed sample.
func (r *run) packFailure(base pack.Base, dir pack.Dir) error {
	err := r.failures.WriteDir(base, dir)
	if err == nil {
		err = r.failures.Flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.failures.Name, err)
	}
	return nil
}

// pack packs a sample or, if it does not exist any more, only the members around it that belong to no sample.
func (r *run) pack(t *workspace.Task, dir pack.Dir, exists bool) (err error) {
	if exists {
		r.now.Unpacked = false
		err = r.out.WriteDir(t.Base, dir)
	} else {
		err = t.PackBetween(r.out.Writer)
	}
	if err != nil {
		return err
	}
	return r.out.Flush()
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

// withLog adds the output of a sample's command to its directory as a file.
func withLog(t *workspace.Task, d pack.Dir, ext string, log *runner.Output) pack.Dir {
	if d.Untouched {
		d.Untouched = false
		d.Files = pack.MemberFiles(t.Base.Index, *d.Sample, func(string) bool { return true })
	}
	name := index.SampleFile(ext)
	d.Files = slices.DeleteFunc(slices.Clone(d.Files), func(file pack.DirFile) bool { return file.Name == name })
	d.Files = append(d.Files, pack.DirFile{
		Name: name, Row: pack.Changed, Size: log.Len(), Mode: 0o644, ModTime: time.Now(),
		Open: func() (fs.File, error) { return log.Open(name), nil },
	})
	return d
}
