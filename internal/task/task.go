// Package task says which shards of a run over many are those of one task of an array.
//
// An array is a run that an engine, such as Kubernetes or Slurm, starts many times, each time with another number, from 0 on.
// Task t of S does the shards t, t+S, t+2S and so on of the whole list, on which all tasks agree. The engine tells the number
// in an environment variable. The package is pure: it is given the environment and the number of shards.
package task

import (
	"fmt"
	"strconv"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/ui"
)

// auto is the text that stands for the number that the engine gives.
const auto = "auto"

// Spec says which task of an array this is: a number, the number that the engine gives, or a list of tasks, of which that
// number chooses one.
type Spec struct {
	text string
	list []int // nil: the engine's number is that of the task
}

// Parse parses "auto", a number, or a list as output.IndexList writes it. Errors are usage errors.
func Parse(text string) (Spec, error) {
	s := Spec{text: text}
	if text == auto {
		return s, nil
	}
	var err error
	if s.list, err = output.ParseIndexList(text); err != nil {
		return s, ui.Usagef("--task %.40s: %w", text, err)
	}
	return s, nil
}

// Task is one task of an array.
type Task struct {
	Number  int
	Of      int    // tasks in the array; each has a shard
	Shards  []int  // what it does: numbers in the list of all shards
	From    string // the variable by which the engine has told, NAME=VALUE; "" if it was not asked
	Attempt int    // how many times the engine has started it, with this one; 0 if it does not tell
}

// Of returns the task in an array over a number of shards. Stride is how many tasks there are; 0 means one for each shard.
// Lookup finds variables of the environment, like os.LookupEnv. Errors are usage errors.
func (s Spec) Of(shards, stride int, lookup func(name string) (value string, ok bool)) (Task, error) {
	t := Task{Of: shards}
	if stride > 0 {
		t.Of = min(stride, shards)
	}
	given := find(lookup)
	t.Attempt = given.attempt
	if len(s.list) == 1 {
		t.Number = s.list[0]
	} else {
		number, err := given.number, given.err
		if err == nil && s.list != nil && number >= len(s.list) {
			err = fmt.Errorf("%s: the list has the numbers of %s", given.text(), ui.Count(len(s.list), "task"))
		}
		if err != nil {
			return t, ui.Usagef("--task %.40s: %w", s.text, err)
		}
		if t.Number, t.From = number, given.text(); s.list != nil {
			t.Number = s.list[number]
		}
	}
	if t.Number >= t.Of {
		what := strconv.Itoa(t.Number)
		if s.list == nil {
			what = given.text()
		}
		err := ui.Usagef("--task %.40s: %s: the tasks over %s are %s", s.text, what, ui.Count(shards, "shard"), t.all())
		return t, ui.WithHint(err, "an array has as many tasks as there are shards, or --stride S")
	}
	for n := t.Number; n < shards; n += t.Of {
		t.Shards = append(t.Shards, n)
	}
	return t, nil
}

// all names the tasks of the array.
func (t *Task) all() string {
	if t.Of == 0 {
		return "none"
	}
	return fmt.Sprintf("0 to %d", t.Of-1)
}
