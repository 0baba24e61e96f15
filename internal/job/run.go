package job

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// run is the state of one call of Run.
type run struct {
	Options
	names    []source.Name
	exists   []bool // of Outputs, which existed before the run; nil: none did
	todo     []int  // numbers of the sources to open
	opener   *opener
	out      *output.Output // of all legs; nil: they have their own, or nothing is packed
	failures *output.Output // the same of failed samples
	points   *checkpoints   // nil: the run is not resumable
	from     progress       // what an earlier run had done
	stdout   io.Writer      // to Stdout
	shown    *ui.Progress   // nil: no progress is shown
	foreseen bool           // what chooser finds out was known before
	tried    bool           // whether an output was created, which says if its store may be written

	// State of the sequence of jobs.
	chooser *pack.Chooser // over all sources
	last    *leg          // that was begun

	// State of the loop over the results.
	leg        *leg         // of the last result; nil before the first
	publishing *publication // in the background; nil: none
	now        progress
	report     *report // nil: there is none
	told       told
	lastFailed time.Time        // when the last failure was counted
	lost       int              // samples with changes that are not kept
	printed    int64            // bytes of the commands' standard output
	cut        error            // joined Cut errors of all sources
	read       []source.Witness // of all sources that were entered
	total      *source.Total    // of the sources of todo; nil before one was opened
	entered    *shard.Shard     // of the last source that was entered; nil: it has none
	outputs    int              // of Outputs, how many were published
	existed    int              // of Outputs, how many there were
	ended      []bool           // the sources of which Ended was called
	givenUp    []error          // why, for each leg that was
}

// progress is how far a run has come. It is part of checkpoints.
type progress struct {
	Samples int   `json:"samples"` // chosen samples that are finished
	Failed  []int `json:"failed"`  // numbers of the failed samples in their sources
	BytesIn int64 `json:"bytes_in"`
	Report  int64 `json:"report"` // size of the report in bytes

	// Only in runs over several sources.
	FailedIn    []int `json:"failed_in,omitempty"`       // for each of Failed, the number of its source
	Source      int   `json:"source,omitempty"`          // number of the source that is open
	Seen        int   `json:"seen_before,omitempty"`     // samples of the sources before it
	Taken       int   `json:"samples_before,omitempty"`  // chosen samples of the sources before it
	BytesBefore int64 `json:"bytes_before,omitempty"`    // BytesIn of the sources before it
	Unpacked    bool  `json:"source_unpacked,omitempty"` // nothing of the open source is packed yet

	Versions []string `json:"versions,omitempty"` // of the sources before it, if all have one output
}

// Run runs the command in the samples of the sources, in their order, and publishes the outputs. The error is
// output.ErrSkip if the only output exists and is to be skipped. If the run has left a checkpoint, the error is a
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
	r := &run{Options: o, names: sources, ended: make([]bool, len(sources))}
	r.chooser = pack.NewChooser(source.NameOfAll(sources), o.Choice)
	r.Output.AllowEmpty, r.Failed.AllowEmpty = o.Choice.AllowEmpty, true
	if !o.Choice.All() {
		r.Output.Pack.DropOutside = true // such members belong to no sample that was chosen
	}
	if r.several() && r.Outputs == nil {
		r.Output.Pack.OwnEnd, r.Output.Pack.Inputs = true, source.Names(sources)
	}
	r.Workspace.Packed = r.Output.Name != "" && r.Output.Pack.Selection == nil
	r.Workspace.Some = o.Choice.Count > 0 || o.Choice.Keys != nil
	r.Failed.Pack.OwnEnd = r.several() && r.FailedOutputs == nil // then its last shard may be closed
	r.Failed.Pack.Duplicates = pack.RenameDuplicates             // a failed sample must not end the run
	r.Output.Confirm, r.Failed.Confirm = r.confirm, r.confirm
	if r.Outputs != nil {
		r.Failed.Confirm = func(ctx context.Context) error { return r.leg.confirm(ctx) } // others are published
	}
	if err := r.findOutputs(ctx); err != nil || len(r.todo) == 0 {
		return r, err
	}
	if err := r.openCheckpoints(ctx); err != nil {
		return nil, err
	}
	if r.Outputs == nil {
		r.todo = r.todo[r.points.source():]
	}
	r.opener = newOpener(r.todo, o.Choice.Count > 0 || o.Choice.None, r.openLeg)
	return r, r.createOutputs(ctx)
}

// findOutputs finds out which of Outputs exist, and from that which sources are to be opened.
func (r *run) findOutputs(ctx context.Context) error {
	r.exists = make([]bool, len(r.names))
	if r.Outputs != nil && r.Output.IfExists != output.Overwrite {
		if err := r.findExisting(ctx); err != nil {
			return err
		}
	}
	end := 0 // after the last source to run over
	for number, exists := range r.exists {
		if exists && r.Choice.All() {
			continue
		}
		r.todo = append(r.todo, number)
		if !exists {
			end = len(r.todo)
		}
	}
	r.todo = r.todo[:end]
	for _, number := range r.todo {
		if err := r.names[number].Missing(); err != nil && r.OnError == Stop {
			r.end(Outcome{Source: number, Status: StatusFailed, Err: err})
			return err // before any work
		}
	}
	return nil
}

// findExisting finds out which of Outputs exist, and removes what a run has left of them that was killed just after it had
// published them: no other run would.
func (r *run) findExisting(ctx context.Context) (err error) {
	if r.exists, err = r.Output.Existing(ctx, r.Outputs); err != nil {
		return err
	}
	there := make(map[string]bool)
	for i, exists := range r.exists {
		if exists {
			there[store.Redact(r.Outputs[i])] = true
			r.existed++
			if err := r.end(Outcome{Source: i, Status: StatusSkipped}); err != nil {
				return err
			}
		}
	}
	if store.IsRemote(r.Output.Name) && r.Checkpoints != "" {
		r.removeParts(ctx)
	}
	if r.existed > 0 && !store.IsRemote(r.Output.Name) { // else nothing tells whether another process is at work
		r.Output.Clean(ctx, func(l store.Leftover) bool { return there[store.Redact(l.Name)] })
	}
	return nil
}

// removeParts removes the files of outputs in a store that exist: a run was killed just after it had published them.
func (r *run) removeParts(ctx context.Context) {
	local := r.Output
	for i, exists := range r.exists {
		if exists {
			local.Name = filepath.Join(r.Checkpoints, store.PartFile(r.Outputs[i]))
			local.Clean(ctx, func(store.Leftover) bool { return true })
		}
	}
}

// several reports whether there is more than one source.
func (r *run) several() bool { return len(r.names) > 1 }

// name returns the name of the source, or how many there are, for messages.
func (r *run) name() string {
	if r.several() || r.leg == nil || r.leg.space == nil {
		return source.NameOfAll(r.names)
	}
	return r.leg.space.Name
}

// shardField returns the field shard of report lines: the name of the source in a run over several, or with an output
// for each, else "".
func (r *run) shardField(l *leg) string {
	if r.several() || l.ownOut {
		return r.sourceName(l)
	}
	return ""
}

// createOutputs creates the outputs of all legs.
func (r *run) createOutputs(ctx context.Context) (err error) {
	if r.Output.Name != "" {
		r.Output.Resumable, r.Output.PartDir = r.points != nil, r.Checkpoints
	}
	if r.Output.Name != "" && r.Outputs == nil {
		r.Output.Continue = r.points.part(r.points.source())
		o := r.Output
		o.Try = true
		if r.out, err = output.Create(ctx, o); err != nil {
			return err
		}
	}
	if r.Failed.Name == "" || r.FailedOutputs != nil {
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
	if len(r.todo) == 0 {
		r.Workspace.Sweep() // a run that was killed after its last output was published has left something, too
		return r.summary(0), nil
	}
	defer r.abort()
	s, err = r.runAll(ctx)
	if err != nil {
		err = r.explain(ctx, err)
		if endErr := r.endRest(ctx, err); endErr != nil {
			err = errors.Join(err, endErr)
		}
	}
	return s, r.points.stopped(err)
}

func (r *run) confirmVersion(ctx context.Context, number int, version string) error {
	return shard.ConfirmVersion(ctx, r.Workspace.Source.Shard.Store, r.names[number].Text, version)
}

// runAll runs the command in all sources and publishes the outputs.
func (r *run) runAll(ctx context.Context) (s Summary, err error) {
	opened, end := context.WithCancel(ctx)
	defer func() {
		end()
		err = errors.Join(err, r.opener.end())
	}()
	defer r.tellRest()
	r.shown = r.UI.StartProgress("run")
	defer r.shown.Done()
	first := r.opener.first(opened)
	if first.err != nil && (r.Outputs == nil || r.OnError == Stop) {
		return s, first.err
	}
	if err := r.foresee(ctx, first); err != nil {
		return s, err
	}
	if err := r.begin(ctx, first); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, r.report.close(ctx)) }()
	begun := time.Now()
	err = r.runLegs(ctx, first)
	if err == nil {
		err = r.finish(ctx)
	}
	if err != nil {
		return s, errors.Join(r.withFailures(ctx, err), r.collect(ctx, true))
	}
	return r.summary(time.Since(begun)), nil
}

// finish leaves the last leg and publishes what is not published.
func (r *run) finish(ctx context.Context) error {
	if err := r.leave(ctx, r.last); err != nil {
		return err
	}
	if !r.foreseen && (r.Outputs == nil || !r.Choice.All()) { // else each leg without a sample has its own error
		if err := r.chosenRight(r.chooser); err != nil {
			return err
		}
	}
	if err := r.checkFailureLimit(r.now.Samples); err != nil {
		return err
	}
	if err := r.publishLast(ctx); err != nil {
		return err
	}
	return r.publish(ctx)
}
