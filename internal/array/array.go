// Package array describes a run over many shards as an array: tasks that an engine, such as Kubernetes or Slurm, starts
// by number.
//
// The shards of an array are one list, and task t of an array of T tasks does those numbered t, t+T, t+2T and so on, so
// that every task has as many shards as any other, or one more. Each task is given the whole list, because the outputs
// are named by numbers of it. An engine that is to start only some of the tasks still counts from 0: those tasks are then
// a list, and the engine's number is a place in it.
//
// The package is pure: it reads no files, and the same Array gives the same arguments.
package array

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/shardfs/shardfs/internal/output"
)

// Array is a run over many shards, cut into tasks that an engine starts by number.
type Array struct {
	Flags   []string // of shardfs run, as --NAME=VALUE; without --task and --stride
	Command []string // what follows -- in the arguments of shardfs run; nil if Flags have a --command
	Shards  []string // arguments that name the shards, the same on every machine; nil if List does
	List    []byte   // else the names of all shards, one a line, which tasks read as @FILE
	Count   int      // shards; at least 1
	Tasks   int      // from 1 to Count
	Only    []int    // the tasks to start, sorted; nil means all, and an array in which none is left is not made
}

// Starts returns how many tasks the engine starts. It numbers them from 0.
func (a *Array) Starts() int {
	if a.Only != nil {
		return len(a.Only)
	}
	return a.Tasks
}

// Argv returns the command line of every task. Program is shardfs as the engine's machines find it, and list the path of
// a file there that has List.
func (a *Array) Argv(program, list string) []string {
	task := "auto"
	if a.Only != nil {
		task = output.IndexList(a.Only)
	}
	argv := []string{program, "run", "--task=" + task, "--stride=" + strconv.Itoa(a.Tasks)}
	argv = append(argv, a.Flags...)
	if a.List != nil {
		argv = append(argv, "@"+list)
	} else {
		argv = append(argv, a.Shards...)
	}
	if a.Command != nil {
		argv = append(append(argv, "--"), a.Command...)
	}
	return argv
}

// Tasks returns into how many tasks a number of shards is cut if each task does at most the given number of them and
// there are at most as many tasks as the engine can number. Each 0 stands for the least number that is possible.
func Tasks(shards, each, most int) (int, error) {
	least := divide(shards, most)
	if each == 0 {
		each = least
	}
	if each < least {
		return 0, fmt.Errorf("%d shards would be %d tasks, at most %d are possible", shards, divide(shards, each), most)
	}
	return divide(shards, each), nil
}

// divide divides, and rounds up.
func divide(n, by int) int { return (n + by - 1) / by }

// TasksOf returns the tasks that do some of the given shards, sorted.
func TasksOf(shards []int, tasks int) []int {
	some := make([]int, len(shards))
	for i, shard := range shards {
		some[i] = shard % tasks
	}
	slices.Sort(some)
	return slices.Compact(some)
}
