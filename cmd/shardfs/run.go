package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// runFlags are the flags of run.
type runFlags struct {
	choice
	command   string
	shell     string
	jobs      jobsFlag
	batch     int
	worker    bool
	timeout   time.Duration
	retries   int
	onError   string
	maxFailed string
	failed    string
	report    string
	addLog    string
	workspace string
	scratch   string
	resume    bool
	from      shardFlags
	output    outputFlags
	task      taskFlags

	argv     []string    // after --
	failures outputFlags // of failed
}

func newRun(g *globals) *cobra.Command {
	var o runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] [SHARD|DIR|-]... (-c COMMAND | -- ARGV...)",
		Short: "Run a command in every sample's directory",
		Long: `Run runs a command in the directory of each sample, in parallel. With -o it packs the directories into
one output, in the order of the shards, or, with {name} or {index} in OUT, each shard into its own, unless it is
there; without, it discards the changes. In a DIR, such as a mountpoint, they stay. The command has SAMPLE_KEY,
SAMPLE_INDEX, SAMPLE_SOURCE, SHARD, SAMPLE_ATTEMPT in its environment, and empty standard input. The program with which
a -c text begins, or that after --, and the first script among its arguments, may be files of this directory.`,
		Example: `  shardfs run -c 'mogrify -resize 256 *.jpg' train-0000.tgz -o out.tar
  shardfs run mnt -- python3 augment.py
  shardfs run --worker 'train-{0000..0003}.tgz' -o 'out-{name}.tar' -- python3 worker.py
  shardfs run --on-error skip --failed bad.tar in.tgz -o out.tar -- ./convert`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				args, o.argv = args[:dash], args[dash:]
			}
			return o.run(cmd.Context(), g, args)
		},
	}
	o.add(cmd, g)
	return cmd
}

func (o *runFlags) add(cmd *cobra.Command, g *globals) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.command, "command", "c", "", "shell `COMMAND` to run in each sample")
	flags.VarP(&o.jobs, "jobs", "j", "run `N` (or N%, of the CPUs) commands at a time (default \"auto\")")
	flags.VarP(&o.jobs, "parallel", "p", "")
	flags.MarkHidden("parallel")
	flags.IntVar(&o.batch, "batch", 0,
		"start the command once for `N` samples, with their directories as arguments: \"$@\" in -c")
	flags.BoolVar(&o.worker, "worker", false,
		"keep it running: it reads a directory a line, and answers ok, or fail and a message")
	o.output.add(flags)
	o.choice.add(flags)
	flags.StringVar(&o.shell, "shell", runner.DefaultShell, "shell for -c: its `PATH`")
	flags.DurationVar(&o.timeout, "timeout", 0, "end a command that runs longer than `D`, such as 90s or 5m")
	flags.IntVar(&o.retries, "retries", 0, "run a failed command up to `N` times more")
	flags.StringVar(&o.onError, "on-error", "stop",
		"`HOW` to proceed if a command fails: stop, skip or keep the sample")
	flags.StringVar(&o.maxFailed, "max-failed", "", "stop when more than `N` samples, or N%, have failed")
	flags.StringVar(&o.failed, "failed", "", "write the failed samples, as they were, to `OUT`, or one a shard")
	flags.StringVar(&o.report, "report", "", "write a JSON line about each sample to `OUT`")
	flags.StringVar(&o.addLog, "add-log", "", "add the output of each command to its sample, as the extension `EXT`")
	flags.StringVar(&o.workspace, "workspace", "auto", "`HOW` directories are made: fuse (mount), dir (copies), auto")
	flags.StringVar(&o.scratch, "scratch", "", "`DIR` for temporary files and for what --resume needs")
	flags.BoolVar(&o.resume, "resume", false, "continue an interrupted run with the same --scratch")
	o.task.add(flags)
	o.from.add(flags, g)
}

// rule is a rule for the command line.
type rule struct {
	broken bool
	say    string // the error message
}

// firstBroken returns an error for the first broken rule.
func firstBroken(rules []rule) error {
	for _, r := range rules {
		if r.broken {
			return ui.Usagef("%s", r.say)
		}
	}
	return nil
}

// rules returns the rules that flags must obey.
func (o *runFlags) rules() []rule {
	return []rule{
		{o.command == "" && len(o.argv) == 0, "-c COMMAND or -- ARGV is missing: which command should be run?"},
		{o.command != "" && len(o.argv) > 0, "-c and -- exclude each other"},
		{
			o.timeout < 0 || o.retries < 0 || o.batch < 0,
			"--timeout, --retries and --batch: at least 0",
		},
		{o.batch > 0 && o.worker, "--batch and --worker exclude each other"},
		{!isKey(policies, o.onError), "--on-error " + o.onError + ": stop, skip or keep"},
		{o.maxFailed != "" && o.onError == "stop", "--max-failed is for --on-error skip and keep"},
		{!isKey(modes, o.workspace), "--workspace " + o.workspace + ": auto, fuse or dir"},
		{o.addLog != "" && o.output.name == "", "--add-log is for runs with -o"},
		{o.addLog != "" && (o.batch > 0 || o.worker), "--add-log: --batch and --worker have no log for each sample"},
		{strings.HasPrefix(o.addLog, "."), fmt.Sprintf("--add-log %q: an extension has no leading dot", o.addLog)},
		{o.addLog != "" && !isExtension(o.addLog), fmt.Sprintf("--add-log %.40q: not an extension", o.addLog)},
		{o.failed == output.Stdout, "--failed " + o.failed + ": must be a file"},
		{
			o.report == output.Stdout,
			"--report -: standard output has what the commands print; /dev/stdout means it, too",
		},
		{o.resume && o.scratch == "", "--resume is for runs with --scratch"},
		{o.resume && !o.output.isFile(), "--resume is for runs with -o and a file"},
		{
			o.resume && o.output.mtime == "now",
			"--resume: with --mtime now two runs never write the same bytes; use @SECONDS",
		},
	}
}

// rulesFor returns the rules that depend on the kind of source.
func (o *runFlags) rulesFor(n source.Name) []rule {
	dir, stream := n.Kind == source.Dir, n.Kind == source.Stream
	some := o.count.given || o.skip > 0 || o.keys != ""
	return []rule{
		{o.resume && n.Kind != source.Shard, "--resume is for shards that can be read twice"},
		{stream && o.workspace == "fuse", fmt.Sprintf("--workspace fuse: %s cannot be mounted", n)},
		{
			dir && (o.retries > 0 || o.failed != "" || o.addLog != ""),
			n.String() + ": --retries, --failed and --add-log are for shards: what a command does to a directory stays",
		},
		{
			dir && o.output.name != "" && (o.onError == "keep" || some),
			n.String() + ": --on-error keep, --count, --skip and --keys with -o are for shards: " +
				"a directory is packed as it is",
		},
	}
}

// isKey reports whether a value is one of those that a flag accepts.
func isKey[V any](values map[string]V, value string) bool {
	_, ok := values[value]
	return ok
}

// names resolves the arguments, or standard input if there are none, and names their outputs.
func (o *runFlags) names(ctx context.Context, args []string, j *job.Options) ([]source.Name, error) {
	if len(args) == 0 {
		if ui.IsTerminal(os.Stdin) {
			err := ui.Usagef("no shard: name one, or give one on standard input")
			return nil, ui.WithHint(err, "it comes before --: shardfs run SHARD -- ARGV... (or -c COMMAND)")
		}
		args = []string{source.Stdin}
	}
	texts, err := o.from.expand(ctx, args, o.output.allowPipe)
	if err != nil {
		return nil, err
	}
	return o.resolve(texts, j)
}

// choose completes the options by the choice of samples. It is called once only, because the keys may be in a FIFO.
func (o *runFlags) choose(ctx context.Context, names []source.Name, j *job.Options) (err error) {
	if j.Choice, err = o.choice.choice(ctx, o.from.globals.stores); err != nil {
		return err
	}
	j.Settings = o.settings(*j)
	return o.output.foresee(ctx, names, j.Workspace.Source, j.Choice)
}

// run runs the command over shards, directories, or standard input.
func (o *runFlags) run(ctx context.Context, g *globals, args []string) error {
	j, err := o.options(g)
	if err != nil {
		return err
	}
	names, err := o.names(ctx, args, &j)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := firstBroken(o.rulesFor(n)); err != nil {
			return err
		}
	}
	if !g.private {
		o.sayTask(g.UI, names)
		if err := o.foresee(ctx, args, names, j); err != nil {
			return err
		}
		if slices.ContainsFunc(names, j.Workspace.Mounts) {
			if err := inNamespace(ctx, g.hurry); err != server.ErrNoNamespace {
				return err
			}
			g.Detail("%v: only file permissions protect the mount", server.ErrNoNamespace)
		}
	}
	if err := o.choose(ctx, names, &j); err != nil {
		return err
	}
	release, err := o.openScratch(ctx, g, &j)
	if err != nil {
		return err
	}
	defer release()
	if j.Checkpoints, err = o.checkpoints(ctx, j, names); err != nil {
		return err
	}
	j.Ended = func(e job.Outcome) error { return o.ended(g.UI, e, names, j.Outputs) }
	s, err := job.Run(ctx, names, j)
	if errors.Is(err, output.ErrSkip) {
		g.Note("%s: exists, skipped", o.output.name)
		return nil
	}
	if s.Completed {
		o.warnLost(g.UI, names, s)
		if printErr := o.printTotal(g.UI, s); err == nil {
			err = printErr
		}
	}
	if err == nil {
		err = s.Err()
	}
	if o.task.given() && errors.Is(err, pack.ErrEmpty) {
		err = emptyShardError{err}
	}
	return o.withHint(err, args)
}

// The values of --on-error and --workspace.
var (
	policies = map[string]job.Policy{"stop": job.Stop, "skip": job.Skip, "keep": job.Keep}
	modes    = map[string]workspace.Mode{"auto": workspace.Auto, "fuse": workspace.Mount, "dir": workspace.Copy}
)

// options checks the flags and converts them.
func (o *runFlags) options(g *globals) (j job.Options, err error) {
	if err := firstBroken(append(o.rules(), o.taskRules()...)); err != nil {
		return j, err
	}
	if err := o.task.parse(&o.output); err != nil {
		return j, err
	}
	if err := o.checkScratch(g.private); err != nil {
		return j, err
	}
	j = job.Options{
		Env: withoutTermination(os.Environ()), Batch: o.batch, Worker: o.worker,
		Timeout: o.timeout, Retries: o.retries, OnError: policies[o.onError],
		Stdout: os.Stdout, Stderr: g.CommandErr(), Report: o.report, AddLog: o.addLog, Resume: o.resume, UI: g.UI,
		Hurry: g.hurry,
		Workspace: workspace.Options{
			Mode: modes[o.workspace], TempDir: o.scratch, Source: o.from.source(),
			Server: g.server(&ui.UI{Quiet: true, LogFormat: g.LogFormat}),
		},
	}
	if err := o.setCommand(&j); err != nil {
		return j, err
	}
	if o.output.name == output.Stdout {
		j.Stdout = os.Stderr
	}
	if j.MaxFailed, err = job.ParseLimit(o.maxFailed); err != nil {
		return j, ui.Usagef("--max-failed %s: %w", o.maxFailed, err)
	}
	if o.failed != "" {
		o.failures = outputFlags{
			flag: "--failed", name: o.failed, level: 1, ifExists: "overwrite", others: "drop", mtime: "sample",
			equal: "rename", allowPipe: o.output.allowPipe, ofTask: o.output.ofTask,
		}
		if j.Failed, err = o.failures.options(g); err != nil {
			return j, err
		}
	}
	if j.Output, err = o.output.options(g); err != nil {
		return j, err
	}
	if err := (output.Split{}).Check(&j.Output); err != nil {
		return j, err
	}
	return j, firstBroken(o.choice.rules())
}

// settings returns the settings, other than the shard, that determine the bytes of the output: two runs with the same
// settings write the same bytes, if the command does.
func (o *runFlags) settings(j job.Options) job.Settings {
	written := o.output
	if !j.Choice.All() {
		written.others = "drop" // as job does
	}
	return job.Settings{
		{"version of shardfs", programVersion()},
		{"command", fmt.Sprintf("%q", j.Argv)},
		{"--batch", strconv.Itoa(o.batch)}, {"--worker", strconv.FormatBool(o.worker)},
		{"--skip", strconv.Itoa(o.skip)}, {"--count", o.count.setting()}, {"--keys", digest(j.Choice.Keys)},
		{"--on-error", o.onError}, {"--failed", strconv.Quote(store.Redact(o.failed))},
		{"--report", strconv.Quote(store.Redact(o.report))},
		{"--add-log", strconv.Quote(o.addLog)},
		{"option of the output", written.settings()},
	}
}

// digest returns a hash of the chosen keys; "" for all keys.
func digest(keys *pack.Keys) string {
	if keys == nil {
		return ""
	}
	sum := sha256.New()
	for _, key := range slices.Sorted(slices.Values(keys.List())) {
		fmt.Fprintf(sum, "%q\n", key)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// inNamespace runs this command line again in its own mount namespace.
func inNamespace(ctx context.Context, hurry <-chan struct{}) error {
	n := server.Namespace{
		Args: os.Args[1:], Env: os.Environ(), Files: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, Signal: signalOf,
		Hurry: hurry,
	}
	return n.Run(ctx)
}

// checkpoints returns the directory for checkpoints, or "" for a run that cannot be resumed. It tells the user about an
// interrupted run that this one does not resume.
func (o *runFlags) checkpoints(ctx context.Context, j job.Options, names []source.Name) (string, error) {
	if !j.Output.IsFile() {
		return "", nil
	}
	once := slices.ContainsFunc(names, func(n source.Name) bool { return n.Kind != source.Shard })
	if o.scratch == "" || once || o.output.mtime == "now" {
		name, err := j.Output.Absolute()
		if err == nil && j.Output.IsInterrupted(ctx) {
			j.UI.Say("hint", name+": a run to this output was interrupted; --resume with its --scratch continues it")
		}
		return "", err
	}
	if o.resume {
		return o.scratch, nil
	}
	j.Checkpoints = o.scratch
	name, samples, err := job.Interrupted(ctx, j)
	if err != nil || name == "" {
		return o.scratch, err
	}
	const hint = "%s: a run to %s was interrupted after %s; --resume continues it, until its output is published"
	j.UI.Say("hint", fmt.Sprintf(hint, o.scratch, name, ui.Count(samples, "sample")))
	return "", nil
}
