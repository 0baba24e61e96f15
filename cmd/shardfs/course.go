package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// course is a run on its way: it takes the results in the order of the samples, and says what becomes of each.
type course struct {
	*runOptions
	ui       *ui.UI
	keys     map[string]bool // nil: all
	stdout   *os.File        // for what the commands write
	space    workspace
	out      *output.Output // nil: nothing is packed
	failures *output.Output // the samples that failed; nil: nobody wants them
	report   *report        // nil: nobody wants it
	points   *checkpoints   // nil: the run cannot be resumed
	from     progress       // what an earlier run had done
	now      progress
	skipped  int // samples that were not chosen; valid when the run is over
}

// progress is how far a run has come.
type progress struct {
	Samples int   `json:"samples"` // that have been dealt with, of those that are chosen
	Failed  []int `json:"failed"`  // numbers of those that failed
	BytesIn int64 `json:"bytes_in"`
	Report  int64 `json:"report"` // bytes of the report
}

// run runs the commands and publishes the output.
func (r *course) run(ctx context.Context) error {
	begun := time.Now()
	r.now = r.from
	err := r.each(ctx)
	if err == nil {
		err = r.tooMany(r.now.Samples)
	}
	if errors.Is(err, errSampleFailed) && r.failures != nil {
		return errors.Join(err, r.failures.Commit(ctx))
	}
	if err != nil {
		return err
	}
	if r.out != nil && r.choice.of(r.keys).All() {
		if err := r.space.rest(ctx, r.out.Writer); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if r.failures != nil {
		if err := r.failures.Commit(ctx); err != nil {
			return err
		}
	}
	if r.out != nil {
		if err := r.out.Commit(ctx); err != nil {
			return err
		}
		if err := r.points.done(); err != nil {
			return err
		}
	}
	if err := r.summary(time.Since(begun)); err != nil {
		return err
	}
	switch cut := r.space.cut(); {
	case len(r.now.Failed) > 0 && r.out == nil:
		return ui.Reported(errSampleFailed)
	case len(r.now.Failed) > 0:
		return ui.Reported(errPartly)
	case cut != "" && r.out != nil:
		return fmt.Errorf("%w: %s", source.ErrCut, cut)
	}
	return nil
}

// each runs the command in each sample and deals with the results.
func (r *course) each(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := runner.Options{
		Argv: r.argv, Env: append(os.Environ(), "SHARD="+r.space.name()), Jobs: r.jobs, Retries: r.retries, Timeout: r.timeout,
		Stderr: os.Stderr, Spill: r.space.dir(), Log: r.addLog != "", Worker: r.worker,
		Spare: func(pid int) bool { return r.space.serves(pid) || r.out.Owns(pid) || r.failures.Owns(pid) },
	}
	if r.report != nil {
		o.Tail = reportTail
	}
	if !r.worker && ui.IsTerminal(r.stdout) {
		o.Terminal = r.stdout
	}
	var inputErr error
	for result, err := range runner.Run(ctx, o, r.jobsFor(ctx, &inputErr)) {
		if err == nil {
			err = r.settle(ctx, result)
		}
		if err != nil {
			cancel()
			return err
		}
	}
	return inputErr
}

// settle deals with the samples of one result.
func (r *course) settle(ctx context.Context, res runner.Result) error {
	if err := r.space.broken(); err != nil {
		return err
	}
	if _, err := res.Output.WriteTo(pipe.NewWriter(ctx, r.stdout)); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	group := res.Tag.([]*task)
	var stop error
	if res.Err != nil {
		err := sampleError(r.space.name(), names(group), res.Err)
		if !runner.Failed(res.Err) {
			return err
		}
		stop = r.blame(err)
	}
	for _, t := range group {
		if err := r.settleSample(t, res); err != nil {
			return err
		}
	}
	if stop != nil {
		return stop
	}
	if all := r.space.samples(); all > 0 {
		if err := r.tooMany(all); err != nil {
			return err
		}
	}
	return r.points.reached(r)
}

// blame says that samples failed. It returns the error that ends the run, if that does.
func (r *course) blame(err error) error {
	if r.onError == "stop" {
		return failure{err}
	}
	r.ui.Fail(err)
	return nil
}

// settleSample deals with a sample after its command.
func (r *course) settleSample(t *task, res runner.Result) error {
	folder, there := t.before, true
	var stop error
	if res.Err == nil && r.out != nil {
		var err error
		if folder, there, err = t.now(); err != nil {
			return fmt.Errorf("%s: %w", r.space.name(), err)
		}
		if there && r.addLog != "" {
			folder = withLog(t, folder, r.addLog, res.Log)
		}
		if there {
			if res.Err = r.out.Check(t.base, folder); res.Err != nil {
				stop = r.blame(fmt.Errorf("%s: %w", r.space.name(), res.Err)) // which names the sample
			}
		}
	}
	r.now.Samples++
	if s := t.before.Sample; s != nil {
		r.now.BytesIn += t.base.Index.Offset(s.End) - t.base.Index.Offset(s.Start)
	}
	if err := r.report.add(t, res); err != nil {
		return err
	}
	if res.Err != nil {
		if err := r.fail(t); err != nil {
			return err
		}
		switch r.onError {
		case "stop":
			return stop
		case "keep":
			folder, there = t.before, true
		case "skip":
			t.dropped()
			there = false
		}
	}
	if r.out != nil {
		if err := r.pack(t, folder, there); err != nil {
			return fmt.Errorf("%s: %w", r.space.name(), err)
		}
	}
	return t.free()
}

// fail notes that a sample failed, and keeps it as it was for who wants it.
func (r *course) fail(t *task) error {
	r.now.Failed = append(r.now.Failed, t.number)
	if r.failures == nil {
		return nil
	}
	err := r.failures.WriteDir(t.base, t.before)
	if err == nil {
		err = r.failures.Flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.failed, err)
	}
	return nil
}

// summary tells what the run has done.
func (r *course) summary(took time.Duration) error {
	failed := len(r.now.Failed)
	s := runSummary{
		Done: r.now.Samples - failed, Failed: failed, Skipped: r.skipped, BytesIn: r.now.BytesIn, Seconds: took.Seconds(),
		PerSecond: float64(r.now.Samples-r.from.Samples) / max(took.Seconds(), 1e-9),
	}
	text := fmt.Sprintf("%s done", ui.Count(s.Done, "sample"))
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", s.Skipped)
	}
	text += fmt.Sprintf(", %.1f a second", s.PerSecond)
	if r.out == nil {
		if failed > 0 || r.ui.Verbose {
			r.ui.Note("%s: %s", r.space.name(), text)
		}
		return nil
	}
	s.Output, s.Summary = r.out.Name, r.out.Summary()
	if r.ui.JSON && r.out.IsFile() {
		return r.ui.Print(s)
	}
	r.ui.Note("%s; %s; %s in", r.out, text, ui.Size(s.BytesIn))
	return nil
}

// runSummary is what a run has done, as JSON.
type runSummary struct {
	Output string `json:"output"`
	pack.Summary
	Done      int     `json:"done"`
	Failed    int     `json:"failed"`
	Skipped   int     `json:"skipped"`
	BytesIn   int64   `json:"bytes_in"` // of plain tar
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"samples_per_second"`
}

// tooMany says that more samples failed than may, of so many.
func (r *course) tooMany(all int) error {
	if !r.limit.exceeded(len(r.now.Failed), all) {
		return nil
	}
	return failure{fmt.Errorf("%s: %d of %s failed, more than --max-failed %s", r.space.name(), len(r.now.Failed), ui.Count(all, "sample"), r.maxFailed)}
}

// pack puts a sample into the output, or if it is not there, what lies around it.
func (r *course) pack(t *task, folder pack.Dir, there bool) error {
	switch {
	case there:
		if err := r.out.WriteDir(t.base, folder); err != nil {
			return err
		}
	case t.others != nil:
		if err := t.others(r.out.Writer); err != nil {
			return err
		}
	}
	return r.out.Flush()
}

// withLog returns a sample's directory with what its command wrote as one more file.
func withLog(t *task, f pack.Dir, ext string, log *runner.Output) pack.Dir {
	if f.Untouched {
		f.Untouched = false
		f.Files = pack.MemberFiles(t.base.Index, *f.Sample, func(string) bool { return true })
	}
	name := index.SampleFile(ext)
	f.Files = slices.DeleteFunc(slices.Clone(f.Files), func(file pack.DirFile) bool { return file.Name == name })
	f.Files = append(f.Files, pack.DirFile{
		Name: name, Row: pack.Changed, Size: log.Len(), Mode: 0o644, ModTime: time.Now(),
		Open: func() (fs.File, error) { return log.Open(name), nil },
	})
	return f
}

// checkLogExtension refuses an extension that no member can have.
func checkLogExtension(ext string) error {
	if ext == "" {
		return nil
	}
	if key, got, ok := index.MemberKey("key." + ext); !ok || key != "key" || got != ext {
		return ui.Usagef("--add-log %q: not an extension", ext)
	}
	return nil
}

// names names the samples that one command was for.
func names(group []*task) string {
	if len(group) == 1 {
		return group[0].key
	}
	return fmt.Sprintf("%s to %s (%d together)", group[0].key, group[len(group)-1].key, len(group))
}
