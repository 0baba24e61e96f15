package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// runOptions are the flags of run.
type runOptions struct {
	command string
	shell   string
	jobs    int
	batch   int
	worker  bool
	choice
	timeout   time.Duration
	retries   int
	onError   string
	maxFailed string
	failed    string
	reportTo  string
	addLog    string
	workspace string
	scratch   string
	resume    bool
	from      shardFlags
	output    outputFlags

	argv  []string
	limit failureLimit
}

func newRun(g *globals) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [flags] [SHARD|DIR|-] (-c COMMAND | -- ARGV...)",
		Short: "Run a command in every sample's directory",
		Long: `Run runs a command in the directory of each sample, in parallel. With -o it
packs what the directories hold afterwards, in the order of the shard; without,
it forgets the changes. In a DIR, such as a mountpoint, they stay. The command
sees SAMPLE_KEY, SAMPLE_INDEX, SAMPLE_SOURCE, SHARD and SAMPLE_ATTEMPT; its
input is empty.

With --batch N the command is started once for N samples and given their
directories as arguments ("$@" in a -c text). With --worker it is started once
a job, reads one directory a line and answers each with a line: ok, or fail and
a message.`,
		Example: `  shardfs run -c 'ls' --count 3 train-0000.tgz
  shardfs run -j 8 -c 'mogrify -resize 256 *.jpg' train-0000.tgz -o out.tar
  curl -s https://host/train.tgz | shardfs run -c 'cat __key__; echo' -
  shardfs run mnt -- python3 augment.py
  shardfs run --worker -j 8 -o out.tar train-0000.tgz -- python3 worker.py
  shardfs run -c ./convert --on-error skip --failed bad.tar --report run.jsonl \
      --scratch /scratch --resume train-0000.tgz -o out.tar`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				args, o.argv = args[:dash], args[dash:]
			}
			return o.run(cmd.Context(), g, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.command, "command", "c", "", "shell `COMMAND` to run in each sample")
	flags.IntVarP(&o.jobs, "jobs", "j", 1, "run `N` commands at a time (also -p)")
	flags.IntVarP(&o.jobs, "parallel", "p", 1, "")
	flags.MarkHidden("parallel")
	flags.IntVar(&o.batch, "batch", 0, "hand `N` samples to each command")
	flags.BoolVar(&o.worker, "worker", false, "keep the commands, and tell them of one sample a line")
	o.output.add(flags)
	o.choice.add(flags)
	flags.StringVar(&o.shell, "shell", runner.DefaultShell, "shell for -c: its `PATH`")
	flags.DurationVar(&o.timeout, "timeout", 0, "end a command that runs longer than `D`, as 90s or 5m")
	flags.IntVar(&o.retries, "retries", 0, "run a failed command up to `N` times more, each time in a fresh directory")
	flags.StringVar(&o.onError, "on-error", "stop", "`HOW` if a command fails: stop, skip, keep the sample")
	flags.StringVar(&o.maxFailed, "max-failed", "", "stop when more than `N` samples, or N% of them, have failed")
	flags.StringVar(&o.failed, "failed", "", "write the failed samples, as they were, to `OUT`")
	flags.StringVar(&o.reportTo, "report", "", "write what became of each sample to `FILE`, as JSON lines")
	flags.StringVar(&o.addLog, "add-log", "", "add what a command writes to its sample, as the extension `EXT`")
	flags.StringVar(&o.workspace, "workspace", "auto", "`HOW` samples lie: fuse (mount), dir (copies), auto")
	flags.StringVar(&o.scratch, "scratch", "", "`DIR` for temporary files and for what --resume needs")
	flags.BoolVar(&o.resume, "resume", false, "go on where a run with the same --scratch was stopped")
	o.from.add(flags, g)
	return cmd
}

// check refuses what makes no sense, before any work is done.
func (o *runOptions) check(args []string) (err error) {
	switch {
	case o.command == "" && len(o.argv) == 0:
		return ui.Usagef("-c is missing: which command should be run?")
	case o.command != "" && len(o.argv) > 0:
		return ui.Usagef("-c and -- exclude each other")
	case len(args) > 1:
		return ui.Usagef("%s: one shard at a time", strings.Join(args, " "))
	case o.jobs < 1:
		return ui.Usagef("--jobs %d: at least 1", o.jobs)
	case o.count < 0 || o.skip < 0 || o.timeout < 0 || o.retries < 0 || o.batch < 0:
		return ui.Usagef("--count, --skip, --timeout, --retries and --batch: at least 0")
	case o.batch > 0 && o.worker:
		return ui.Usagef("--batch and --worker exclude each other")
	case o.onError != "stop" && o.onError != "skip" && o.onError != "keep":
		return ui.Usagef("--on-error %s: stop, skip or keep", o.onError)
	case o.maxFailed != "" && o.onError == "stop":
		return ui.Usagef("--max-failed is for --on-error skip and keep")
	case o.workspace != "auto" && o.workspace != "fuse" && o.workspace != "dir":
		return ui.Usagef("--workspace %s: auto, fuse or dir", o.workspace)
	case o.addLog != "" && o.output.name == "":
		return ui.Usagef("--add-log is for runs with -o")
	case o.addLog != "" && (o.batch > 0 || o.worker):
		return ui.Usagef("--add-log: --batch and --worker have no log for each sample")
	case o.failed == "-", o.failed != "" && o.failed == o.output.name:
		return ui.Usagef("--failed %s: a file of its own", o.failed)
	}
	if len(args) == 1 && pipe.Is(args[0]) && !o.output.allowPipe {
		return errPipeAllowed(args[0])
	}
	if err := o.checkResume(args); err != nil {
		return err
	}
	if o.limit, err = parseLimit(o.maxFailed); err != nil {
		return err
	}
	if err := checkLogExtension(o.addLog); err != nil {
		return err
	}
	if o.failed != "" {
		if _, err := o.failedFlags().options(nil); err != nil {
			return err
		}
	}
	if len(o.argv) == 0 {
		o.argv = runner.CommandLine(o.shell, o.command, o.batch > 0)
	}
	_, err = o.output.options(nil)
	return err
}

func (o *runOptions) run(ctx context.Context, g *globals, args []string) (err error) {
	u := g.UI
	if err := o.check(args); err != nil {
		return err
	}
	name := "-"
	if len(args) == 1 {
		name = args[0]
	} else if ui.IsTerminal(os.Stdin) {
		return ui.Usagef("no shard: name one, or give one on standard input")
	}
	keys, err := source.ReadKeys(o.keys)
	if err != nil {
		return err
	}
	if !g.private && o.wantsMount(name) {
		n := server.Namespace{
			Args: os.Args[1:], Env: os.Environ(), Files: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, Signal: signalOf,
		}
		if err := n.Run(ctx); err != server.ErrNoNamespace {
			return err
		}
		u.Detail("%v: the mount is private by its place only", server.ErrNoNamespace)
	}
	if !o.choice.of(keys).All() {
		o.output.others = "drop" // they belong to no sample that was chosen
	}
	if o.scratch != "" {
		release, err := o.holdScratch(ctx, u)
		if err != nil {
			return err
		}
		defer release()
	}
	r := course{runOptions: o, ui: u, keys: keys, stdout: os.Stdout}
	if o.output.name == "-" {
		r.stdout = os.Stderr
	}
	if err := r.openCheckpoints(name); err != nil {
		return err
	}
	if o.output.name != "" {
		out, err := o.output.options(u)
		if err != nil {
			return err
		}
		out.Resumable = r.points != nil
		if r.out, err = output.Create(ctx, out); errors.Is(err, output.ErrSkip) {
			u.Note("%s: exists, skipped", o.output.name)
			return nil
		} else if err != nil {
			return err
		}
		defer r.out.Abort()
	}
	if o.failed != "" {
		out, err := o.failedFlags().options(u)
		if err != nil {
			return err
		}
		if r.failures, err = output.Create(ctx, out); err != nil {
			return err
		}
		defer r.failures.Abort()
	}
	if r.space, err = openWorkspace(ctx, u, name, o); err != nil {
		return err
	}
	err = r.goOn(ctx)
	if err == nil {
		if r.report, err = openReport(o.reportTo, r.from.Report); err == nil {
			err = r.run(ctx)
			err = errors.Join(err, r.report.close())
		}
	}
	return r.points.explain(errors.Join(err, r.space.close()))
}

// failedFlags returns the flags of the output of failed samples.
func (o *runOptions) failedFlags() *outputFlags {
	return &outputFlags{name: o.failed, level: 1, ifExists: "overwrite", others: "drop", mtime: "sample", allowPipe: o.output.allowPipe}
}

// sampleError says which sample an error is of.
func sampleError(shard, sample string, err error) error {
	return fmt.Errorf("%s: sample %s: %w", shard, sample, err)
}

// failure is errSampleFailed: the command is at fault, or what it has made of its sample. For any other error no policy for
// samples applies: a full disk is not the sample's fault.
type failure struct{ error }

func (f failure) Unwrap() error        { return f.error }
func (f failure) Is(target error) bool { return target == errSampleFailed }
