package task

import (
	"fmt"
	"strconv"
	"strings"
)

// engine is how an engine tells a process which task of an array it is.
type engine struct {
	variable string // with the number
	first    int    // the number of the first task; those who submit PBS arrays choose it, and mostly choose 0
	outside  string // the value outside of arrays; "" if the variable is not set there

	attempts string // variable that counts how many times the task was started; "": there is none
	counts   int    // its value when that is the first time
}

// engines are those that are known, in the order in which they are looked for. Kubernetes tells attempts only to a Job whose
// template has a variable for the annotation batch.kubernetes.io/job-index-failure-count.
var engines = []engine{
	{variable: "JOB_COMPLETION_INDEX", attempts: "SHARDFS_TASK_FAILURES"},
	{variable: "SLURM_ARRAY_TASK_ID", attempts: "SLURM_RESTART_COUNT"},
	{variable: "AWS_BATCH_JOB_ARRAY_INDEX", attempts: "AWS_BATCH_JOB_ATTEMPT", counts: 1},
	{variable: "BATCH_TASK_INDEX", attempts: "BATCH_TASK_RETRY_ATTEMPT"},
	{variable: "CLOUD_RUN_TASK_INDEX", attempts: "CLOUD_RUN_TASK_ATTEMPT"},
	{variable: "PBS_ARRAY_INDEX"},
	{variable: "SGE_TASK_ID", first: 1, outside: "undefined"},
	{variable: "LSB_JOBINDEX", first: 1, outside: "0"},
}

// given is what the engine tells.
type given struct {
	variable, value string
	number          int   // of the task, from 0
	err             error // there is no number; nil if there is
	attempt         int   // from 1; 0 if it does not tell
}

// text returns what the engine has told, for messages.
func (g *given) text() string { return fmt.Sprintf("%s=%.40s", g.variable, g.value) }

// find returns what the first engine tells that has set its variable.
func find(lookup func(name string) (value string, ok bool)) given {
	var names []string
	for _, e := range engines {
		names = append(names, e.variable)
		value, ok := lookup(e.variable)
		if !ok || e.outside != "" && value == e.outside {
			continue
		}
		g := given{variable: e.variable, value: value, attempt: e.attempt(lookup)}
		n, err := strconv.ParseUint(value, 10, 31)
		if g.number = int(n) - e.first; err != nil || g.number < 0 {
			g.err = fmt.Errorf("%s: not a number from %d on", g.text(), e.first)
		}
		return g
	}
	last := len(names) - 1
	return given{err: fmt.Errorf("no engine tells the number of this task: neither %s nor %s is set",
		strings.Join(names[:last], ", "), names[last])}
}

// attempt returns how many times the engine has started the task, with this one; 0 if it does not tell. Slurm sets its variable
// only when it starts a task again.
func (e *engine) attempt(lookup func(name string) (value string, ok bool)) int {
	value, ok := lookup(e.attempts)
	if n, err := strconv.ParseUint(value, 10, 31); ok && err == nil && int(n) >= e.counts {
		return int(n) - e.counts + 1
	}
	return 0
}
