package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/task"
	"github.com/shardfs/shardfs/internal/ui"
)

// taskFlags are the flags of a run that is one task of an array.
type taskFlags struct {
	which  string // "" if it is none
	stride optionalCount

	spec task.Spec
	task *task.Task // set by names; nil: it is none
}

func (o *taskFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&o.which, "task", "",
		"do only task `N` of an array, shard N; auto: as the engine tells; 3,17-19: one of these")
	flags.Var(&o.stride, "stride", "the array has `S` tasks: task N does shards N, N+S, N+2S... (default: one a shard)")
}

// parse parses the flags. The outputs of tasks are outputs of their shards, also where there is only one.
func (o *taskFlags) parse(outputs *outputFlags) (err error) {
	if outputs.ofTask = o.given(); outputs.ofTask {
		o.spec, err = task.Parse(o.which)
	}
	return err
}

// given reports whether the run is a task of an array.
func (o *taskFlags) given() bool { return o.which != "" }

// taskRules returns the rules for a task, which knows the names of all shards, and the samples of its own.
func (o *runFlags) taskRules() []rule {
	given := o.task.given()
	return []rule{
		{o.task.stride.given && !given, "--stride is for --task"},
		{o.task.stride.given && o.task.stride.n < 1, fmt.Sprintf("--stride %d: at least 1", o.task.stride.n)},
		{
			given && o.output.name != "" && !o.output.isFile(),
			"--task: -o must be a file or an object, so that it is there or not",
		},
		{given && (o.count.given || o.skip > 0), "--task: --count and --skip choose from the samples of all shards"},
		{
			given && o.keys != "" && (o.missing == "error" || !o.empty),
			"--task: --keys needs --missing-keys ignore and --allow-empty: a shard may have none of them",
		},
	}
}

// resolve resolves the names of all shards, or those of this task, and names their outputs. Names of outputs are those that
// the shards have in the whole list.
func (o *runFlags) resolve(texts []string, j *job.Options) (names []source.Name, err error) {
	if j.Outputs, err = o.output.each(texts); err != nil {
		return nil, err
	}
	if j.FailedOutputs, err = o.failures.each(texts); err != nil {
		return nil, err
	}
	if o.task.given() {
		if texts, err = o.taskOf(texts, j); err != nil {
			return nil, err
		}
	}
	if o.output.pattern != nil {
		return source.ResolvePresent(texts) // a shard whose output is published may be gone
	}
	return source.ResolveAll(texts)
}

// taskOf finds out which task of the array this is. It returns its shards, and leaves only their outputs.
func (o *runFlags) taskOf(shards []string, j *job.Options) ([]string, error) {
	if slices.Contains(shards, source.Stdin) {
		return nil, ui.Usagef("--task: -: standard input is none of many shards")
	}
	t, err := o.task.spec.Of(len(shards), o.task.stride.n, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if err := o.nameReport(shards, &t, j); err != nil {
		return nil, err
	}
	o.task.task = &t
	pick := func(all []string) (some []string) {
		if all == nil {
			return nil
		}
		for _, n := range t.Shards {
			some = append(some, all[n])
		}
		return some
	}
	j.Outputs, j.FailedOutputs = pick(j.Outputs), pick(j.FailedOutputs)
	return pick(shards), nil
}

// nameReport gives the report of a task the name of its first shard.
func (o *runFlags) nameReport(shards []string, t *task.Task, j *job.Options) error {
	reports, err := o.reports(shards)
	if err != nil || reports == nil {
		return err
	}
	o.report = reports[t.Shards[0]]
	j.Report = o.report
	return nil
}

// reports returns the name of the report that a task would write whose first shard is each of those; nil if it writes none.
// Tasks must not share one, unless it is a stream.
func (o *runFlags) reports(shards []string) ([]string, error) {
	if o.report == "" || strings.HasPrefix(o.report, "/dev/") {
		return nil, nil
	}
	pattern, err := output.ParseTaskPattern("--report", o.report)
	if err != nil {
		return nil, err
	}
	return pattern.Outputs(shards)
}

// emptyShardError is the error of a task whose shard has no sample. Other runs take that for a mistake in the command line;
// here other tasks have the same one, and shall go on.
type emptyShardError struct{ error }

// Unwrap returns the error of the run.
func (e emptyShardError) Unwrap() error { return e.error }

// sayTask says which task this is.
func (o *runFlags) sayTask(u *ui.UI, names []source.Name) {
	t := o.task.task
	if t == nil {
		return
	}
	from := ""
	if t.From != "" {
		from = " (" + t.From + ")"
	}
	shards := names[0].String()
	if more := len(names) - 1; more > 0 {
		shards += " and " + ui.Count(more, "more shard")
	}
	u.Note("task %d of %d%s: %s", t.Number, t.Of, from, shards)
}

// taskLine is what a task says on standard error of each of its shards.
type taskLine struct {
	Task      int        `json:"task"`
	Index     int        `json:"index"` // of the shard, in the list of all
	Shard     *string    `json:"shard,omitempty"`
	ShardHex  *string    `json:"shard_hex,omitempty"`
	Output    *string    `json:"output,omitempty"` // absent if nothing is packed
	OutputHex *string    `json:"output_hex,omitempty"`
	Status    job.Status `json:"status"`
	Samples   int        `json:"samples"` // in the output; if it is not published, how many were finished
	Failed    int        `json:"failed"`  // samples whose command has failed
	Bytes     int64      `json:"bytes"`   // of plain tar in the output
	Seconds   float64    `json:"seconds"`
	Attempt   int        `json:"attempt,omitempty"` // from 1; absent if the engine does not tell
	Error     string     `json:"error,omitempty"`
}

// sayEnded says what has become of a shard of this task.
func (o *runFlags) sayEnded(u *ui.UI, e job.Outcome, name source.Name, outputs []string) {
	t := o.task.task
	line := taskLine{
		Task: t.Number, Index: t.Shards[e.Source], Status: e.Status, Samples: e.Summary.Done, Failed: e.Summary.Failed,
		Seconds: e.Summary.Seconds, Attempt: t.Attempt,
	}
	shard := ui.NewJSONText(name.String())
	line.Shard, line.ShardHex = shard.Text, shard.Hex
	if outputs != nil {
		out := ui.NewJSONText(store.Redact(outputs[e.Source]))
		line.Output, line.OutputHex = out.Text, out.Hex
	}
	if e.Status == job.StatusPublished {
		line.Samples, line.Bytes = e.Summary.Samples, e.Summary.Bytes
	}
	if e.Err != nil {
		line.Error = store.RedactText(e.Err.Error())
	}
	u.Log(line)
}
