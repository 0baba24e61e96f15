// Package slurm writes array jobs of Slurm, as scripts for sbatch.
//
// A script has what sbatch reads (#SBATCH), one command line, which is shardfs run for the task that Slurm names, and what
// Slurm does not do by itself: to pass its warning of the time limit on, and to start a task again that has failed for a
// reason that may pass. Tasks skip what is published, so that each of them may be started any number of times.
//
// The package is pure: the same Job gives the same script.
package slurm

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/array"
	"github.com/shardfs/shardfs/internal/ui"
)

// What Slurm takes if it is not configured otherwise (MaxArraySize, max_script_size).
const (
	MaxArraySize = 1001    // tasks
	MaxScript    = 4 << 20 // bytes
)

// Job is an array job. No field may be empty or 0 where it does not say so.
type Job struct {
	Array       *array.Array
	Program     string        // shardfs, as the nodes find it
	Name        string        // of the job
	Log         string        // file with what a task prints, a pattern of Slurm: %A is the job, %a the task
	Parallelism int           // tasks at a time
	Retries     int           // how often a task is started again after a failure that may pass; may be 0
	Time        string        // limit of a task, as sbatch takes it: 4:00:00
	Grace       time.Duration // how long before its limit a task is told to end, in seconds
	CPUs        int           // of a task
	Memory      string        // of a task, as sbatch takes it: 2G
	GPUs        int           // of a task; may be 0
	Partition   string        // "" for the default one
	Env         []string      // NAME=VALUE
	Statuses    Statuses
}

// Statuses are exit statuses.
type Statuses struct {
	Usage     int   // of a script that is not run as a task
	Temporary int   // of one that has no room for its list of shards
	Again     []int // of shardfs, when the same task may succeed later
}

// Values that match have nothing that sbatch, Slurm's patterns or a file system could take for something else.
const (
	plainName   = `^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,62}$`
	plainNames  = `^[A-Za-z0-9_][A-Za-z0-9_.+,-]*$`
	memory      = `^[1-9][0-9]{0,8}[KMGT]?$`
	timeLimit   = `^(?:([0-9]{1,4})-)?([0-9]{1,5})(?::([0-9]{1,5}))?(?::([0-9]{1,5}))?$`
	environment = `^[A-Za-z_][A-Za-z0-9_]*=`
	ofTask      = `%[0-9]*[aj]`
)

// matches reports whether a text matches a pattern. Patterns are compiled when they are used: as variables they would be
// whenever the program starts.
func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// Check returns an error for what sbatch would refuse, or take for something else. It names the flags that have the values.
func (j *Job) Check() error {
	usage := func(hint, format string, args ...any) error {
		return ui.WithHint(ui.Usagef(format, args...), hint)
	}
	limit, limited := Limit(j.Time)
	switch {
	case !matches(plainName, j.Name):
		return usage("", "--name %q: at most 63 letters, digits and _.+-", j.Name)
	case j.Partition != "" && !matches(plainNames, j.Partition):
		return usage("", "--partition %q: names, with a comma between", j.Partition)
	case !matches(memory, j.Memory):
		return usage("", "--memory %q: a number and K, M, G or T", j.Memory)
	case !limited:
		return usage("hours:minutes:seconds, or days-hours", "--time %q: not a time limit of Slurm", j.Time)
	case j.Grace < time.Second || j.Grace > maxGrace || j.Grace%time.Second != 0:
		return usage("", "--grace %v: from 1s to %v, in seconds", j.Grace, maxGrace)
	case limit > 0 && limit <= j.Grace+early:
		return usage("Slurm may warn a minute before it is asked to",
			"--time %s: too short for --grace %v: a task would be told to end when it begins", j.Time, j.Grace)
	case !matches(ofTask, j.Log):
		return usage("%A in it is the job, %a the task", "--log %q: all tasks would write it", j.Log)
	case strings.ContainsFunc(j.Log, func(r rune) bool { return r < ' ' || r == '\x7f' || r == '\\' }):
		return usage("", "--log %q: Slurm takes no such name", j.Log)
	case j.GPUs < 0 || j.Retries < 0:
		return usage("", "--gpu and --retries: at least 0")
	}
	for _, v := range j.Env {
		switch name, _, _ := strings.Cut(v, "="); {
		case !matches(environment, v):
			return usage("", "--env %.40q: not NAME=VALUE", v)
		case strings.HasPrefix(name, "SLURM_"):
			return usage("", "--env %.40s: Slurm sets it", name)
		}
	}
	if size := len(j.Script()); size > MaxScript {
		return usage("name the shards by braces, or put the list where tasks can read it: @URL",
			"the script would have %d bytes, and Slurm takes %d", size, MaxScript)
	}
	return nil
}

const (
	maxGrace = math.MaxUint16 * time.Second // that sbatch takes
	early    = time.Minute                  // how much earlier than asked for Slurm may warn of a limit
)

// Limit returns the duration of a time limit, which Slurm takes as minutes, minutes:seconds, hours:minutes:seconds,
// days-hours, days-hours:minutes or days-hours:minutes:seconds. 0 is no limit, as UNLIMITED is.
func Limit(text string) (limit time.Duration, ok bool) {
	m := regexp.MustCompile(timeLimit).FindStringSubmatch(text)
	if m == nil {
		return 0, text == "UNLIMITED"
	}
	days, fields := m[1], m[2:]
	units := []time.Duration{time.Hour, time.Minute, time.Second}
	if days == "" && fields[2] == "" {
		units = units[1:]
	}
	for i, unit := range units {
		n, _ := strconv.Atoi(fields[i]) // 0 where there is none
		limit += time.Duration(n) * unit
	}
	n, _ := strconv.Atoi(days)
	return limit + time.Duration(n)*24*time.Hour, true
}

// maxSpec is the greatest length of a text for --array.
const maxSpec = 4000

// spec returns the value of --array.
func (j *Job) spec() string {
	a := j.Array
	tasks := fmt.Sprintf("0-%d", a.Tasks-1)
	if a.Only != nil {
		tasks = ranges(a.Only, maxSpec)
	}
	return fmt.Sprintf("%s%%%d", tasks, j.Parallelism)
}

// ranges returns numbers, which are sorted, as a list of ranges that is no longer than most. Where it would be longer it has
// numbers in between, too: a task that has nothing to do ends at once.
func ranges(numbers []int, most int) string {
	for gap := 1; ; gap *= 2 {
		var parts []string
		for i, end := 0, 0; i < len(numbers); i = end {
			for end = i + 1; end < len(numbers) && numbers[end]-numbers[end-1] <= gap; {
				end++
			}
			if first, last := numbers[i], numbers[end-1]; first == last {
				parts = append(parts, strconv.Itoa(first))
			} else {
				parts = append(parts, fmt.Sprintf("%d-%d", first, last))
			}
		}
		if text := strings.Join(parts, ","); len(text) <= most {
			return text
		}
	}
}
