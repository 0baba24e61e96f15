package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/array"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// arrayFlags are the flags of verbs that print a run over many shards as a job for an engine that starts its tasks. They
// have those of run, too, which they pass on.
type arrayFlags struct {
	run    runFlags
	passed []*pflag.Flag // those of run, in the order of its help

	name        string
	each        int
	parallelism int
	missing     bool
	cpu         string
	memory      string
	env         []string

	// The verb sets these before it calls array.
	cpus    int // of --cpu, as many commands as a task runs at a time
	tasks   int // the greatest number of tasks that the engine can number
	maxArgs int // in bytes: longer arguments that name shards become a list
	maxList int // in bytes
}

// arrayArgs is the part of the usage line that such verbs share.
const arrayArgs = "[flags] SHARD... -o OUT (-c COMMAND | -- ARGV...)"

// notPassed are the flags of run that are not passed on: an engine starts each task anew, on any machine, and says which
// it is.
var notPassed = []string{"count", "parallel", "resume", "scratch", "skip", "stride", "task"}

// add adds the flags. Those that are passed on are hidden, except the command and the output.
func (f *arrayFlags) add(flags *pflag.FlagSet, g *globals) {
	flags.SortFlags = false
	of := new(cobra.Command)
	f.run.add(of, g)
	of.Flags().VisitAll(func(flag *pflag.Flag) {
		if slices.Contains(notPassed, flag.Name) {
			return
		}
		flag.Value = &givenText{Value: flag.Value}
		switch flag.Name {
		case "command", "output":
		case "retries": // of an engine are those of a task
			flag.Name, flag.Hidden = "sample-retries", true
		default:
			flag.Hidden = true
		}
		f.passed = append(f.passed, flag)
	})
	for _, flag := range f.passed {
		flags.AddFlag(flag)
	}
	flags.StringVar(&f.name, "name", "", "`NAME` of the job")
	flags.IntVar(&f.each, "shards-per-task", 0, "each task does `K` shards, one after the other (default 1)")
	flags.IntVar(&f.parallelism, "parallelism", 16, "run at most `N` tasks at a time")
	flags.BoolVar(&f.missing, "only-missing", false, "only tasks whose outputs are missing")
	flags.StringVarP(&f.cpu, "cpu", "C", "1", "`CPUS` of a task, and how many commands it runs at a time")
	flags.StringVarP(&f.memory, "memory", "M", "2Gi", "`MEMORY` of a task")
	flags.StringArrayVarP(&f.env, "env", "e", nil, "set a variable `NAME=VALUE` for the commands")
}

// givenText is the value of a flag that keeps the text that was given, to pass it on.
type givenText struct {
	pflag.Value
	text string
}

// Set implements pflag.Value.
func (v *givenText) Set(text string) error {
	v.text = text
	return v.Value.Set(text)
}

// rules returns the rules that the flags must obey.
func (f *arrayFlags) rules() []rule {
	out := f.run.output.name
	return []rule{
		{out == "", "-o is missing: where should the outputs go?"},
		{
			out != "" && !f.run.output.isFile(),
			"-o " + source.Shown(out) + ": tasks publish files and objects, not streams",
		},
		{f.each < 0, fmt.Sprintf("--shards-per-task %d: at least 1", f.each)},
		{f.parallelism < 1, fmt.Sprintf("--parallelism %d: at least 1", f.parallelism)},
	}
}

// errNoneMissing means that all outputs are there.
var errNoneMissing = errors.New("all outputs are there")

// array checks the flags, and returns what they and the arguments describe. It opens no shard. The error is errNoneMissing
// if only missing outputs are wanted, and none is.
func (f *arrayFlags) array(ctx context.Context, g *globals, cmd *cobra.Command, args []string) (*array.Array, error) {
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		args, f.run.argv = args[:dash], args[dash:]
	}
	if err := firstBroken(f.rules()); err != nil {
		return nil, err
	}
	f.run.task.which = "auto"
	if _, err := f.run.options(g); err != nil {
		return nil, err
	}
	switch {
	case len(args) == 0:
		return nil, ui.WithHint(ui.Usagef("no shard: name one, or many"), "usage: "+cmd.UseLine())
	case slices.Contains(args, source.Stdin):
		return nil, ui.Usagef("-: tasks have no standard input")
	}
	shards, err := f.run.from.expand(ctx, args, f.run.output.allowPipe)
	if err != nil {
		return nil, err
	}
	outputs, err := f.outputs(shards)
	if err != nil {
		return nil, err
	}
	a := &array.Array{Flags: f.flags(), Command: f.run.argv, Count: len(shards)}
	if a.Tasks, err = array.Tasks(a.Count, f.each, f.tasks); err != nil {
		err = ui.Usagef("--shards-per-task %d: %w", f.each, err)
		return nil, ui.WithHint(err, "without it there are as many tasks as possible")
	}
	if err := f.nameShards(g, a, args, shards); err != nil {
		return nil, err
	}
	if f.missing {
		err = f.onlyMissing(ctx, g, a, outputs)
	}
	return a, err
}

// outputs returns the names of the outputs of shards. Those of a task's report and of failed samples differ, too.
func (f *arrayFlags) outputs(shards []string) ([]string, error) {
	if _, err := f.run.failures.each(shards); err != nil {
		return nil, err
	}
	if _, err := f.run.reports(shards); err != nil {
		return nil, err
	}
	return f.run.output.each(shards)
}

// flags returns the flags that are passed on. A task runs as many commands at a time as it has CPUs, if not said: the
// machine may have more.
func (f *arrayFlags) flags() (flags []string) {
	for _, flag := range f.passed {
		given := flag.Value.(*givenText)
		switch {
		case flag.Changed:
			flags = append(flags, "--"+passedName(flag)+"="+given.text)
		case flag.Name == "jobs":
			flags = append(flags, "--jobs="+strconv.Itoa(max(1, f.cpus)))
		}
	}
	return flags
}

// passedName returns the name that run has for a flag.
func passedName(flag *pflag.Flag) string {
	if flag.Name == "sample-retries" {
		return "retries"
	}
	return flag.Name
}

// nameShards decides how tasks are told the shards: by the arguments, if these are short and mean the same on every machine,
// now and later, else by a list of names.
func (f *arrayFlags) nameShards(g *globals, a *array.Array, args, shards []string) (err error) {
	portable, bytes := source.PortabilityOf(args), 0
	for _, arg := range args {
		bytes += len(arg) + 1
	}
	if portable == source.Always && bytes <= f.maxArgs {
		a.Shards = args
		return nil
	}
	if a.List, err = source.Lines(shards); err != nil {
		return err
	}
	switch size := len(a.List); {
	case size <= f.maxList:
		return nil
	case portable != source.Kept:
		err := ui.Usagef("%d shards: their names take %d bytes, at most %d are possible", a.Count, size, f.maxList)
		return ui.WithHint(err, "name them by braces, or put the list where tasks can read it: @URL")
	}
	a.Shards, a.List = args, nil
	g.Note("the tasks read the list, which is too long for the job: it must stay as it is")
	return nil
}

// onlyMissing has the array start only tasks whose outputs are missing.
func (f *arrayFlags) onlyMissing(ctx context.Context, g *globals, a *array.Array, outputs []string) error {
	found, err := output.Published(ctx, g.stores, outputs)
	if err != nil {
		return err
	}
	var missing []int
	for i, info := range found {
		if info == nil {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return errNoneMissing
	}
	if tasks := array.TasksOf(missing, a.Tasks); len(tasks) < a.Tasks {
		a.Only = tasks
	}
	return nil
}

// sayArray says what is printed.
func (f *arrayFlags) sayArray(u *ui.UI, name string, a *array.Array) {
	u.Note("%s: %s, %s, at most %d at a time", name, ui.Count(a.Count, "shard"), ui.Count(a.Starts(), "task"),
		min(f.parallelism, a.Starts()))
}
