package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// run is the state of one call of Run.
type run struct {
	Options
	names    []source.Name
	out      *output.Output // nil: nothing is packed
	failures *output.Output // nil: failed samples are not packed
	report   *report        // nil: there is none
	points   *checkpoints   // nil: the run is not resumable
	from     progress       // what an earlier run had done
	now      progress
	told     told

	// State of the open source, or of all so far.
	space    *workspace.Workspace // nil: none is open
	base     pack.Base            // shard of the last sample that was handled
	chooser  *pack.Chooser        // over all sources
	foreseen bool                 // what chooser finds out was known before
	lost     int                  // samples with changes that are not kept
	printed  int64                // bytes of the commands' standard output
	cut      error                // joined Cut errors of all sources
	read     []source.Witness     // of all sources that were opened
	stdout   io.Writer            // to Stdout
	shown    *ui.Progress         // nil: no progress is shown
	total    *source.Total
}

// progress is how far a run has come. It is part of checkpoints.
type progress struct {
	Samples int   `json:"samples"` // chosen samples that are finished
	Failed  []int `json:"failed"`  // numbers of the failed samples in their sources
	BytesIn int64 `json:"bytes_in"`
	Report  int64 `json:"report"` // size of the report in bytes

	// Only in runs over several sources.
	FailedIn []int `json:"failed_in,omitempty"`       // for each of Failed, the number of its source
	Source   int   `json:"source,omitempty"`          // number of the source that is open
	Seen     int   `json:"seen_before,omitempty"`     // samples of the sources before it
	Taken    int   `json:"samples_before,omitempty"`  // chosen samples of the sources before it
	Unpacked bool  `json:"source_unpacked,omitempty"` // nothing of the open source is packed yet

	Versions []string `json:"versions,omitempty"` // of the sources before it
}

// Run runs the command in the samples of the sources, in their order, and publishes the outputs. The error is
// output.ErrSkip if the output exists and is to be skipped. If the run has left a checkpoint, the error is a
// *StoppedError. If the outputs were published, the Summary is complete even if there is an error.
//
// Directories are packed as they are when all commands have ended. Runs that pack directories therefore cannot use
// Options.Choice, the policy Keep, Options.Retries, Failed or AddLog.
func Run(ctx context.Context, sources []source.Name, o Options) (Summary, error) {
	r, err := newRun(ctx, sources, o)
	if err != nil {
		return Summary{}, err
	}
	return r.run(ctx)
}

// newRun begins a run. The caller must call its method run.
func newRun(ctx context.Context, sources []source.Name, o Options) (*run, error) {
	r := &run{Options: o, names: sources, total: source.NewTotal(sources)}
	r.chooser = pack.NewChooser(source.NameOfAll(sources), o.Choice)
	r.Output.AllowEmpty, r.Failed.AllowEmpty = o.Choice.AllowEmpty, true
	if !o.Choice.All() {
		r.Output.Pack.DropOutside = true // such members belong to no sample that was chosen
	}
	if r.several() {
		r.Output.Pack.OwnEnd, r.Output.Pack.Inputs = true, source.Names(sources)
	}
	r.Workspace.Packed = r.Output.Name != "" && r.Output.Pack.Selection == nil
	r.Workspace.Some = o.Choice.Count > 0 || o.Choice.Keys != nil
	r.Workspace.Indexed = o.Resume                   // it begins somewhere in the shard
	r.Failed.Pack.Duplicates = pack.RenameDuplicates // a failed sample must not end the run
	r.Output.Confirm, r.Failed.Confirm = r.confirm, r.confirm
	if err := r.openCheckpoints(ctx); err != nil {
		return nil, err
	}
	return r, r.createOutputs(ctx)
}

// several reports whether there is more than one source.
func (r *run) several() bool { return len(r.names) > 1 }

// name returns the name of the source, or how many there are, for messages.
func (r *run) name() string {
	if r.several() || r.space == nil {
		return source.NameOfAll(r.names)
	}
	return r.space.Name
}

// shardField returns the field shard of report lines: the name of the open source in a run over several, else "".
func (r *run) shardField() string {
	if r.several() {
		return r.space.Name
	}
	return ""
}

func (r *run) createOutputs(ctx context.Context) (err error) {
	if r.Output.Name != "" {
		r.Output.Resumable = r.points != nil
		if r.out, err = output.Create(ctx, r.Output); err != nil {
			return err
		}
	}
	if r.Failed.Name == "" {
		return nil
	}
	if r.failures, err = output.Create(ctx, r.Failed); err != nil {
		r.abort()
	}
	return err
}

func (r *run) abort() {
	if r.out != nil {
		r.out.Abort()
	}
	if r.failures != nil {
		r.failures.Abort()
	}
}

// run runs the command in all samples, and converts the error.
func (r *run) run(ctx context.Context) (s Summary, err error) {
	defer r.abort()
	s, err = r.runAll(ctx)
	if err != nil {
		err = r.explain(ctx, err)
	}
	return s, r.points.stopped(err)
}

// explain returns the error that is behind an error of the run: of writing an output, or that a shard has changed.
func (r *run) explain(ctx context.Context, err error) error {
	for _, out := range []*output.Output{r.out, r.failures} {
		if writeErr := out.WriteError(); writeErr != nil && ctx.Err() == nil {
			return writeErr
		}
	}
	return r.Output.Explain(ctx, err)
}

// confirm returns an error if a shard has changed since it was opened, by this run or by the one that it continues.
func (r *run) confirm(ctx context.Context) error {
	for i, version := range r.from.Versions {
		if err := shard.ConfirmVersion(ctx, r.Workspace.Source.Shard.Store, r.names[i].Text, version); err != nil {
			return err
		}
	}
	return source.Confirm(ctx, r.read)
}

// runAll runs the command in all sources and publishes the outputs. The last source stays open until then, because the
// end of the output may be a copy of its end.
func (r *run) runAll(ctx context.Context) (s Summary, err error) {
	defer func() { err = errors.Join(err, r.closeSource()) }()
	defer r.tellRest()
	r.shown = r.UI.StartProgress("run")
	defer r.shown.Done()
	var begun time.Time
	for i := r.points.source(); i < len(r.names); i++ {
		if err := r.openSource(ctx, i); err != nil {
			return s, err
		}
		if begun.IsZero() {
			if err := r.foresee(ctx); err != nil {
				return s, err
			}
			if err := r.begin(ctx); err != nil {
				return s, err
			}
			defer func() { err = errors.Join(err, r.report.close()) }()
			begun = time.Now()
		}
		if err := r.runSource(ctx); err != nil {
			return s, r.withFailures(ctx, err)
		}
		if r.chooser.Done() {
			break
		}
	}
	if !r.foreseen {
		if err := r.chosenRight(r.chooser); err != nil {
			return s, err
		}
	}
	if err := r.checkFailureLimit(r.now.Samples); err != nil {
		return s, r.withFailures(ctx, err)
	}
	if err := r.publish(ctx); err != nil {
		return s, err
	}
	return r.summary(time.Since(begun)), nil
}

// foresee returns the error with which the run would end because of the choice of samples, if that is known before any
// command runs. The first source is already open.
func (r *run) foresee(ctx context.Context) error {
	if r.Choice.All() {
		return nil
	}
	chooser := pack.NewChooser(r.name(), r.Choice)
	switch {
	case r.several():
		chooser = source.Foresee(ctx, r.names, r.Workspace.Source, r.Choice, true)
	case r.space.Shard != nil && !r.space.Shard.Grew():
		for key := range r.space.Shard.Index.Keys() {
			if chooser.Take(key); chooser.Right() {
				break
			}
		}
	case r.names[0].Kind == source.Dir:
		for t, err := range r.space.Tasks() {
			if err != nil {
				return err
			}
			if chooser.Take(t.Key); chooser.Right() {
				break
			}
		}
	default:
		return nil
	}
	if chooser == nil {
		return nil
	}
	r.foreseen = true
	return r.chosenRight(chooser)
}

// chosenRight returns an error if the choice of samples, made over all, was a mistake.
func (r *run) chosenRight(chooser *pack.Chooser) error {
	if err := chooser.Err(); err != nil {
		return err
	}
	if err := chooser.Missing(); err != nil {
		r.UI.Note("%v", err)
	}
	return nil
}

// begin continues an earlier run, if that is wanted, and opens the report. The first source is already open.
func (r *run) begin(ctx context.Context) (err error) {
	if err := r.resume(ctx); err != nil {
		return err
	}
	r.shown.From(r.progressShown())
	r.report, err = openReport(ctx, r.Report, r.from.Report)
	return err
}

// openSource opens a source, and closes the one before it.
func (r *run) openSource(ctx context.Context, number int) (err error) {
	if r.space != nil && r.points != nil {
		r.now.Versions = append(r.now.Versions, r.space.Shard.Version())
	}
	if err := r.closeSource(); err != nil {
		return err
	}
	r.now.Source, r.now.Seen, r.now.Taken = number, r.chooser.Seen, r.chooser.Taken
	r.now.Unpacked = number > 0
	r.base = pack.Base{}
	r.Workspace.Source.Input = number
	if r.space, err = workspace.Open(ctx, r.names[number], r.Workspace); err != nil {
		return err
	}
	r.cut = errors.Join(r.cut, r.space.Cut)
	r.read = append(r.read, r.space.Witness)
	r.total.Opened(number, r.space.Samples)
	return nil
}

func (r *run) closeSource() error {
	if r.space == nil {
		return nil
	}
	err := r.space.Close()
	r.space = nil
	return err
}

// runSource runs the command in the open source, and packs what follows its last sample.
func (r *run) runSource(ctx context.Context) error {
	if err := r.runSamples(ctx); err != nil {
		return err
	}
	if r.several() {
		return r.leaveSource(ctx)
	}
	if r.out == nil || !r.Choice.All() {
		return nil
	}
	if err := r.checkFailureLimit(r.now.Samples); err != nil {
		return err
	}
	return r.space.Finish(ctx, r.out.Writer)
}

// leaveSource makes the writers of a run over several sources write everything that they still need from the open one,
// because it is closed next.
func (r *run) leaveSource(ctx context.Context) error {
	if r.out != nil {
		if err := r.space.Finish(ctx, r.out.Writer); err != nil {
			return err
		}
		if err := r.out.Flush(); err != nil {
			return fmt.Errorf("%s: %w", r.out.Name, err)
		}
	}
	if r.failures == nil || r.base.Index == nil {
		return nil
	}
	err := r.failures.Rest(r.base)
	if err == nil {
		err = r.failures.Flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.failures.Name, err)
	}
	return nil
}

// withFailures publishes the output of failed samples if a failed sample has ended the run.
func (r *run) withFailures(ctx context.Context, err error) error {
	if errors.Is(err, ErrSampleFailed) && r.failures != nil {
		return errors.Join(err, r.failures.Commit(ctx))
	}
	return err
}

// publish publishes the outputs.
func (r *run) publish(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.out != nil && r.out.Summary().Samples == 0 && len(r.now.Failed) > 0 && !r.Choice.AllowEmpty {
		err := fmt.Errorf("%s: no sample is left after %s failed, so nothing is written", r.name(),
			ui.Count(len(r.now.Failed), "sample"))
		return errors.Join(r.withFailures(ctx, failure{err}), r.giveUp())
	}
	if r.failures != nil {
		if err := r.failures.Commit(ctx); err != nil {
			return err
		}
	}
	if r.out == nil {
		return r.confirm(ctx)
	}
	if err := r.out.Commit(ctx); errors.Is(err, pack.ErrEmpty) {
		return errors.Join(err, r.giveUp())
	} else if err != nil {
		return err
	}
	if r.from.Samples == 0 { // else an earlier run may have met them
		r.out.WarnUnmatched()
	}
	return r.points.remove()
}

// giveUp removes what would be needed to continue the run, which would end in the same way.
func (r *run) giveUp() error {
	if r.points == nil {
		return nil
	}
	r.out.Keep(false)
	return r.points.remove()
}
