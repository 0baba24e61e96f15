package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// run is one call of Run.
type run struct {
	Options
	names    []source.Name
	out      *output.Output // nil: nothing is packed
	failures *output.Output // nil: failed samples are not packed
	report   *report        // nil: there is none
	points   *checkpoints   // nil: the run is not resumable
	from     progress       // what an earlier run had done
	now      progress

	// Of the open source, or of all so far.
	space   *workspace.Workspace // nil: none is open
	base    pack.Base            // of the last sample that was handled
	chooser pack.Chooser         // of all sources
	cut     error                // of all sources
}

// progress is how far a run has come. It is part of checkpoints.
type progress struct {
	Samples int   `json:"samples"` // that were dealt with, of those that are chosen
	Failed  []int `json:"failed"`  // their numbers in their sources, of those that failed
	BytesIn int64 `json:"bytes_in"`
	Report  int64 `json:"report"` // bytes of the report

	// Of runs over several sources.
	FailedIn []int `json:"failed_in,omitempty"`       // for each of Failed, the number of its source
	Source   int   `json:"source,omitempty"`          // number of the source that is open
	Seen     int   `json:"seen_before,omitempty"`     // samples of the sources before it
	Taken    int   `json:"samples_before,omitempty"`  // those of them that were chosen
	Unpacked bool  `json:"source_unpacked,omitempty"` // nothing of the open source is packed yet
}

// Run runs the command in the samples of the sources, in their order, and publishes what is to be packed. The error is
// output.ErrSkip if the output exists and is to be skipped. An error that leaves a checkpoint is a *StoppedError. The
// Summary of a run that came to its end is complete, even if something failed afterwards.
//
// Directories are packed as they are when all commands have ended. Options.Choice and the policy Keep are therefore not
// for runs that pack directories, nor are Options.Retries, Failed and AddLog.
func Run(ctx context.Context, sources []source.Name, o Options) (Summary, error) {
	r, err := newRun(ctx, sources, o)
	if err != nil {
		return Summary{}, err
	}
	return r.run(ctx)
}

// newRun begins a run. It is ended by its method run.
func newRun(ctx context.Context, sources []source.Name, o Options) (*run, error) {
	r := &run{Options: o, names: sources}
	r.chooser.Choice = o.Choice
	if !o.Choice.All() {
		r.Output.Pack.DropOutside = true // such members belong to no sample that was chosen
	}
	if r.several() {
		r.Output.Pack.OwnEnd = true
	}
	if err := r.openCheckpoints(ctx); err != nil {
		return nil, err
	}
	return r, r.createOutputs(ctx)
}

// several reports whether there is more than one source.
func (r *run) several() bool { return len(r.names) > 1 }

// name names what the run is over, for messages.
func (r *run) name() string {
	if r.several() {
		return ui.Count(len(r.names), "source")
	}
	return r.space.Name
}

// shardField is the name of the open source in lines of a run over several.
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

// run does what Run does after the beginning.
func (r *run) run(ctx context.Context) (s Summary, err error) {
	defer r.abort()
	s, err = r.runAll(ctx)
	return s, r.points.stopped(err)
}

// runAll runs the command in all sources and publishes the outputs. The last source stays open until then, because the
// end of the output may be a copy of its end.
func (r *run) runAll(ctx context.Context) (s Summary, err error) {
	defer func() { err = errors.Join(err, r.closeSource()) }()
	var begun time.Time
	for i := r.points.source(); i < len(r.names); i++ {
		if err := r.openSource(ctx, i); err != nil {
			return s, err
		}
		if begun.IsZero() {
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
	if err := r.checkFailureLimit(r.now.Samples); err != nil {
		return s, r.withFailures(ctx, err)
	}
	if err := r.publish(ctx); err != nil {
		return s, err
	}
	return r.summary(time.Since(begun)), nil
}

// begin continues an earlier run, if that is wanted, and opens the report. The first source is open.
func (r *run) begin(ctx context.Context) (err error) {
	if err := r.resume(ctx); err != nil {
		return err
	}
	r.report, err = openReport(r.Report, r.from.Report)
	return err
}

// openSource opens a source, and closes the one before it.
func (r *run) openSource(ctx context.Context, number int) (err error) {
	if err := r.closeSource(); err != nil {
		return err
	}
	r.now.Source, r.now.Seen, r.now.Taken = number, r.chooser.Seen, r.chooser.Taken
	r.now.Unpacked = number > 0
	r.base = pack.Base{}
	if r.space, err = workspace.Open(ctx, r.names[number], r.Workspace); err != nil {
		return err
	}
	r.cut = errors.Join(r.cut, r.space.Cut)
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

// leaveSource has the writers of a run over several sources write what they still have to read of the open one, even if
// they leave out what is outside samples.
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

// withFailures publishes the samples that failed if they are why the run ends.
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
	if r.failures != nil {
		if err := r.failures.Commit(ctx); err != nil {
			return err
		}
	}
	if r.out == nil {
		return nil
	}
	if err := r.out.Commit(ctx); err != nil {
		return err
	}
	return r.points.remove()
}
