package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/slurm"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// slurmFlags are the flags of slurm.
type slurmFlags struct {
	arrayFlags
	retries   int
	time      string
	grace     time.Duration
	gpus      int
	partition string
	log       string
	arraySize int
}

func newSlurm(g *globals) *cobra.Command {
	var o slurmFlags
	cmd := &cobra.Command{
		Use:   "slurm " + arrayArgs,
		Short: "Print a script for sbatch that runs a command over many shards",
		Long: `Slurm prints an array job, for sbatch: each of its tasks is a shardfs run over one shard,
or a few. It takes the flags of run, too (shardfs help run). Tasks find shards, outputs
and programs where sbatch was started, and have its environment.

A task skips what is published, so any may be started again. Those whose node fails are
started again by Slurm, and those that fail for a reason that may pass, by the script.
shardfs status tells what is missing, and --only-missing makes an array of that; it
prints no script if all is there. More options of sbatch come after it: | sbatch -A lab.
The file .shardfs.yaml has defaults for flags, in its section slurm.`,
		Example: `  shardfs slurm 'train-{0000..0147}.tgz' -o 'ppm-{name}.tar' -C 4 -- ./convert | sbatch
  shardfs slurm --only-missing 'train-{0000..0147}.tgz' -o 'ppm-{name}.tar' -- ./convert | sbatch
  shardfs slurm --shards-per-task 20 --time 1-0 's3://bucket/{00000..19999}.tgz' \
    -o 's3://bucket/new/{name}.tar' -c 'mogrify -resize 256 *.jpg' >job.sh`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := g.useDefaults(cmd); err != nil {
				return err
			}
			return o.print(cmd.Context(), g, cmd, args)
		},
	}
	flags := cmd.Flags()
	o.add(flags, g)
	flags.StringVarP(&o.partition, "partition", "p", "", "`PARTITION` of Slurm")
	flags.StringVar(&o.time, "time", "4:00:00", "time `LIMIT` of a task: minutes, H:MM:SS or DAYS-HOURS")
	flags.DurationVar(&o.grace, "grace", time.Minute, "tell a task `D` before its time limit to end")
	flags.IntVarP(&o.gpus, "gpu", "G", 0, "`N` GPUs for a task")
	flags.IntVar(&o.retries, "retries", 3, "start a task again up to `N` times if it may succeed then")
	flags.StringVar(&o.log, "log", "", "`FILE` with what a task prints (default \"NAME-%A_%a.log\")")
	flags.IntVar(&o.arraySize, "max-array-size", slurm.MaxArraySize, "MaxArraySize of the cluster: at most `N` tasks")
	return cmd
}

// print prints the script, or nothing if no output is missing.
func (o *slurmFlags) print(ctx context.Context, g *globals, cmd *cobra.Command, args []string) (err error) {
	if o.cpus, err = strconv.Atoi(o.cpu); err != nil || o.cpus < 1 || o.cpus > maxCPUs {
		return ui.Usagef("--cpu %s: from 1 to %d, whole ones", o.cpu, maxCPUs)
	}
	if o.arraySize < 1 || o.arraySize > maxArraySize {
		return ui.Usagef("--max-array-size %d: from 1 to %d", o.arraySize, maxArraySize)
	}
	if o.name == "" {
		o.name = "shardfs"
	}
	if o.log == "" {
		o.log = o.name + "-%A_%a.log"
	}
	o.tasks, o.maxArgs, o.maxList = o.arraySize, 32<<10, slurm.MaxScript
	a, err := o.array(ctx, g, cmd, args)
	if errors.Is(err, errNoneMissing) {
		g.Note("%s: %v, so there is no script", store.Redact(o.run.output.name), err)
		return nil
	}
	if err != nil {
		return err
	}
	j := &slurm.Job{
		Array: a, Program: "shardfs", Name: o.name, Log: o.log, Parallelism: o.parallelism, Retries: o.retries,
		Time: o.time, Grace: o.grace, CPUs: o.cpus, GPUs: o.gpus, Partition: o.partition, Env: o.env,
		Statuses: slurm.Statuses{
			Usage: exitUsage, Temporary: exitTemporary, Again: []int{exitNoAnswer, exitIO, exitTemporary},
		},
		Memory: strings.TrimSuffix(o.memory, "i"), // all units of Slurm are powers of 1024
	}
	if err := j.Check(); err != nil {
		return err
	}
	o.sayArray(g.UI, o.name, a)
	_, err = g.Out.Write(j.Script())
	return err
}

// The greatest numbers that Slurm takes.
const (
	maxCPUs      = 65_533
	maxArraySize = 4_000_001
)
