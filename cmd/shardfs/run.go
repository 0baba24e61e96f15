package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/runner"
)

// runOptions are the flags of run.
type runOptions struct {
	command string
	shell   string
	jobs    int
	choice
	timeout   time.Duration
	onError   string
	workspace string
	scratch   string
	from      shardFlags
	output    outputOptions

	argv []string
}

func newRun(ui *ui) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [flags] [SHARD|DIR|-] (-c COMMAND | -- ARGV...)",
		Short: "Run a command in every sample's directory",
		Long: `Run runs a command in the directory of each sample, in parallel. With -o it
packs what the directories hold afterwards, in the order of the shard; without,
it forgets the changes. In a DIR, such as a mountpoint, they stay. The command
sees SAMPLE_KEY, SAMPLE_INDEX, SAMPLE_SOURCE, SHARD and SAMPLE_ATTEMPT; its
input is empty.`,
		Example: `  shardfs run -c 'ls' --count 3 train-0000.tgz
  shardfs run -j 8 -c 'mogrify -resize 256 *.jpg' train-0000.tgz -o out.tar
  curl -s https://host/train.tgz | shardfs run -c 'cat __key__; echo' -
  shardfs run mnt -- python3 augment.py`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				args, o.argv = args[:dash], args[dash:]
			}
			return o.run(cmd.Context(), ui, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.command, "command", "c", "", "shell `COMMAND` to run in each sample")
	flags.IntVarP(&o.jobs, "jobs", "j", 1, "run `N` commands at a time (also -p)")
	flags.IntVarP(&o.jobs, "parallel", "p", 1, "")
	flags.MarkHidden("parallel")
	o.output.add(flags)
	o.choice.add(flags)
	flags.StringVar(&o.shell, "shell", defaultShell, "shell for -c: its `PATH`")
	flags.DurationVar(&o.timeout, "timeout", 0, "end a command that runs longer than `D`, as 90s or 5m")
	flags.StringVar(&o.onError, "on-error", "stop", "`HOW` if a command fails: stop, skip, keep the sample")
	flags.StringVar(&o.workspace, "workspace", "auto", "`HOW` samples lie: fuse (mount), dir (copies), auto")
	flags.StringVar(&o.scratch, "scratch", "", "`DIR` for temporary files")
	o.from.add(flags)
	return cmd
}

// check refuses what makes no sense, before any work is done.
func (o *runOptions) check(args []string) error {
	switch {
	case o.command == "" && len(o.argv) == 0:
		return usagef("-c is missing: which command should be run?")
	case o.command != "" && len(o.argv) > 0:
		return usagef("-c and -- exclude each other")
	case len(args) > 1:
		return usagef("%s: one shard at a time", strings.Join(args, " "))
	case o.jobs < 1:
		return usagef("--jobs %d: at least 1", o.jobs)
	case o.count < 0 || o.skip < 0 || o.timeout < 0:
		return usagef("--count, --skip and --timeout: at least 0")
	case o.onError != "stop" && o.onError != "skip" && o.onError != "keep":
		return usagef("--on-error %s: stop, skip or keep", o.onError)
	case o.workspace != "auto" && o.workspace != "fuse" && o.workspace != "dir":
		return usagef("--workspace %s: auto, fuse or dir", o.workspace)
	}
	if len(o.argv) == 0 {
		o.argv = commandLine(o.shell, o.command)
	}
	return o.output.check()
}

func (o *runOptions) run(ctx context.Context, ui *ui, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	name := "-"
	if len(args) == 1 {
		name = args[0]
	} else if isTerminal(os.Stdin) {
		return usagef("no shard: name one, or give one on standard input")
	}
	keys, err := readKeys(o.keys)
	if err != nil {
		return err
	}
	if !ui.private && o.wantsMount(name) {
		if err := inNamespace(ctx); err != errNoNamespace {
			return err
		}
		ui.detail("%v: the mount is private by its place only", errNoNamespace)
	}
	if !o.all(keys) {
		o.output.others = "drop" // they belong to no sample that was chosen
	}
	var out *output
	if o.output.name != "" {
		if out, err = o.output.create(); errors.Is(err, errSkip) {
			ui.note("%s: exists, skipped", o.output.name)
			return nil
		} else if err != nil {
			return err
		}
		defer out.abort()
	}
	space, err := openWorkspace(ctx, ui, name, o)
	if err != nil {
		return err
	}
	if err := o.loop(ctx, ui, space, keys, out); err != nil {
		return errors.Join(err, space.close())
	}
	return space.close()
}

// loop runs the command in each sample and packs the results, in the order of the samples.
func (o *runOptions) loop(ctx context.Context, ui *ui, space workspace, keys map[string]bool, out *output) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stdout := os.Stdout
	if out != nil && out.file == nil {
		stdout = os.Stderr
	}
	var terminal *os.File
	if isTerminal(stdout) {
		terminal = stdout
	}
	var inputErr error
	failed := 0
	for result, err := range runner.Run(ctx, runner.Options{
		Argv: o.argv, Env: os.Environ(), Jobs: o.jobs, Timeout: o.timeout, Stderr: os.Stderr, Spill: space.dir(),
		Terminal: terminal,
	}, jobs(ctx, space.name(), o.choose(space.tasks(), keys), &inputErr)) {
		if err != nil {
			return err
		}
		if err := space.broken(); err != nil {
			cancel()
			return err
		}
		t := result.Tag.(*task)
		if _, err := result.Output.WriteTo(stdout); err != nil {
			cancel()
			return fmt.Errorf("standard output: %w", err)
		}
		if result.Err != nil {
			err := sampleError(space.name(), t.key, result.Err)
			if o.onError == "stop" || !errors.Is(err, errSampleFailed) {
				cancel()
				return err
			}
			failed++
			ui.fail(err)
		}
		if out != nil {
			if err := o.pack(t, result.Err != nil, out); err != nil {
				cancel()
				return fmt.Errorf("%s: %w", space.name(), err)
			}
		}
		if err := t.free(); err != nil {
			cancel()
			return err
		}
	}
	if inputErr != nil {
		return inputErr
	}
	if out != nil {
		if o.all(keys) {
			if err := space.rest(ctx, out.Writer); err != nil {
				return err
			}
		}
		if err := out.commit(ctx, ui); err != nil {
			return err
		}
		if err := ui.summary(out); err != nil {
			return err
		}
	}
	switch cut := space.cut(); {
	case failed > 0 && out == nil:
		return &silent{errSampleFailed}
	case failed > 0:
		return &silent{errPartly}
	case cut != "" && out != nil:
		return fmt.Errorf("%w: %s", errPartly, cut)
	}
	return nil
}

// sampleError says which sample an error is of. It is errSampleFailed where the command failed, and no other error: a full
// disk is not the sample's fault, and no policy for samples applies to it.
func sampleError(shard, key string, err error) error {
	var exit *runner.ExitError
	if errors.As(err, &exit) || errors.Is(err, runner.ErrTimeout) {
		return failure{fmt.Errorf("%s: sample %s: %w", shard, key, err)}
	}
	return fmt.Errorf("%s: sample %s: %w", shard, key, err)
}

// failure is the error of a command in a sample.
type failure struct{ error }

func (f failure) Unwrap() error        { return f.error }
func (f failure) Is(target error) bool { return target == errSampleFailed }

// pack puts what has become of a sample into the output.
func (o *runOptions) pack(t *task, failed bool, out *output) error {
	folder, ok := t.before, true
	var err error
	switch {
	case failed && o.onError == "skip":
		t.dropped()
		ok = false
	case !failed:
		folder, ok, err = t.now()
	}
	if err != nil || !ok && t.others == nil {
		return err
	}
	if !ok {
		return t.others(out.Writer)
	}
	if err := out.Folder(t.base, folder); err != nil {
		return err
	}
	return out.Flush()
}

// choose yields the tasks of the samples that are taken.
func (o *runOptions) choose(tasks iter.Seq2[*task, error], keys map[string]bool) iter.Seq2[*task, error] {
	return choose(&o.choice, tasks, keys, func(t *task) (string, bool) { return t.key, true }, func(t *task) error { return t.free() })
}

// jobs hands tasks to the runner. Why there are no more of them, other than that all were given, is in err afterwards.
func jobs(ctx context.Context, shard string, tasks iter.Seq2[*task, error], err *error) iter.Seq[runner.Job] {
	return func(yield func(runner.Job) bool) {
		for t, taskErr := range tasks {
			if taskErr != nil {
				*err = taskErr
				return
			}
			if !yield(runner.Job{Prepare: t.prepare, Env: t.environment(shard), Tag: t}) || ctx.Err() != nil {
				return
			}
		}
	}
}

// environment returns what the command is told of its sample.
func (t *task) environment(shard string) []string {
	return []string{
		"SAMPLE_KEY=" + t.key, "SAMPLE_INDEX=" + strconv.Itoa(t.number), "SAMPLE_SOURCE=" + t.source, "SHARD=" + shard,
		"SAMPLE_ATTEMPT=1",
	}
}
