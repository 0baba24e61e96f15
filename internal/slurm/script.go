package slurm

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Script returns the script, for a Job that Check has nothing against.
func (j *Job) Script() []byte {
	var b bytes.Buffer
	b.WriteString("#!/bin/bash\n")
	for _, option := range j.options() {
		fmt.Fprintf(&b, "#SBATCH --%s\n", option)
	}
	a := j.Array
	fmt.Fprintf(&b, head, j.does(), j.Statuses.Usage)
	if a.List != nil {
		fmt.Fprintf(&b, list, a.List, endOf(a.List), j.Statuses.Temporary)
	}
	b.WriteString(guard + strings.Join(j.words(), " \\\n\t") + " &\n")
	var again []string
	for _, status := range j.Statuses.Again {
		again = append(again, strconv.Itoa(status))
	}
	fmt.Fprintf(&b, tail, strings.Join(again, " | "), j.Retries)
	return b.Bytes()
}

// options returns the options of sbatch, which reads them in the comments before the first command. Those of PBS and LSF it
// would read on all lines, and so in what a user gives (findings/slurm-reads-pbs-in-texts.sh).
func (j *Job) options() []string {
	options := []string{
		"ignore-pbs",
		"job-name=" + j.Name, "array=" + j.spec(), "output=" + option(j.Log), "open-mode=append", "requeue",
		"time=" + j.Time, fmt.Sprintf("signal=B:TERM@%d", j.Grace/time.Second),
		fmt.Sprintf("cpus-per-task=%d", j.CPUs), "mem=" + j.Memory,
	}
	if j.GPUs > 0 {
		options = append(options, fmt.Sprintf("gres=gpu:%d", j.GPUs))
	}
	if j.Partition != "" {
		options = append(options, "partition="+j.Partition)
	}
	return options
}

// The parts of a script around its command line. SLURM_ARRAY_TASK_ID is passed on as a number, because sbatch gives tasks
// the environment that it has itself, where the number of another engine may be.
const (
	head = `
# Written by shardfs slurm. %s.
# What is published is skipped, so that any task may be started again at any time.

if [ -z "${SLURM_ARRAY_TASK_ID-}" ]; then
	echo 'error: not a task of an array: submit this script by sbatch, and not with an empty --array=' >&2
	exit %d
fi
task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
`
	list = `
shards=$(mktemp) || exit %[3]d
trap 'rm -f "$shards"' EXIT
cat >"$shards" <<'%[2]s' || exit %[3]d
%[1]s%[2]s
`
	guard = `
# Slurm warns only this shell of the time limit (B:).
trap '[ -n "$!" ] || exit 143; kill -TERM $! 2>/dev/null' TERM

`
	tail = `
# A trap ends wait, but not the task.
while [ -n "$(jobs -r)" ]; do wait $!; done
wait $!
status=$?

# Slurm starts no task again that fails. These failures may pass.
case $status in
0) exit 0 ;;
%s)
	if [ "${SLURM_RESTART_COUNT:-0}" -lt %d ]; then
		echo "task $task: exit status $status; it is started again" >&2
		scontrol requeue "$task"
		exit $status
	fi
	;;
esac
echo "task $task: exit status $status; scontrol requeue $task starts it again" >&2
exit $status
`
)

// does says in a sentence which shards a task does.
func (j *Job) does() string {
	if a := j.Array; a.Tasks != a.Count {
		return fmt.Sprintf("Task t of %[1]d does the shards t, t + %[1]d and so on, of %[2]d", a.Tasks, a.Count)
	}
	return fmt.Sprintf("Task t does shard t of %d", j.Array.Count)
}

// words returns the command line of a task, as words of the shell, which belong together in groups.
func (j *Job) words() (words []string) {
	a := j.Array
	if len(j.Env) > 0 {
		words = append(words, "env "+quoted(j.Env...))
	}
	words = append(words, quoted(j.Program)+` run --task="$SLURM_ARRAY_TASK_ID" --stride=`+strconv.Itoa(a.Tasks))
	for _, flag := range a.Flags {
		words = append(words, quoted(flag))
	}
	if a.List != nil {
		words = append(words, `@"$shards"`)
	} else {
		words = append(words, quoted(a.Shards...))
	}
	if a.Command != nil {
		words = append(words, "-- "+quoted(a.Command...))
	}
	return words
}

// bare is a word that the shell leaves as it is.
const bare = `^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$`

// quoted returns words for the shell.
func quoted(words ...string) string {
	all := slices.Clone(words)
	for i, word := range all {
		if !matches(bare, word) {
			all[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(all, " ")
}

// option returns the value of an option in a comment, where # would begin another comment, and a space another option.
func option(value string) string {
	if matches(bare, value) {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
}

// endOf returns a line that is not in a list, and ends it.
func endOf(list []byte) string {
	end := "END"
	for bytes.Contains(list, []byte(end)) {
		end += "-"
	}
	return end
}
