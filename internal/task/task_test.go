package task

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/ui"
)

// environment returns a lookup of variables NAME=VALUE.
func environment(variables ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, v := range variables {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		spec           string
		shards, stride int
		env            []string
		number         int
		does           []int
	}{
		{"0", 1, 0, nil, 0, []int{0}},
		{"3", 148, 0, nil, 3, []int{3}},
		{"3", 148, 0, []string{"JOB_COMPLETION_INDEX=7"}, 3, []int{3}}, // the engine is not asked
		{"3", 148, 0, []string{"JOB_COMPLETION_INDEX=x"}, 3, []int{3}},
		{"3", 148, 148, nil, 3, []int{3}},
		{"1", 10, 3, nil, 1, []int{1, 4, 7}},
		{"0", 10, 3, nil, 0, []int{0, 3, 6, 9}},
		{"0", 10, 1, nil, 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"2", 3, 100, nil, 2, []int{2}}, // there are no more tasks than shards
		{"auto", 148, 0, []string{"JOB_COMPLETION_INDEX=147"}, 147, []int{147}},
		{"auto", 10, 4, []string{"SLURM_ARRAY_TASK_ID=3"}, 3, []int{3, 7}},
		{"auto", 10, 0, []string{"AWS_BATCH_JOB_ARRAY_INDEX=0"}, 0, []int{0}},
		{"auto", 10, 0, []string{"BATCH_TASK_INDEX=9"}, 9, []int{9}},
		{"auto", 10, 0, []string{"CLOUD_RUN_TASK_INDEX=9"}, 9, []int{9}},
		{"auto", 10, 0, []string{"PBS_ARRAY_INDEX=9"}, 9, []int{9}},
		{"auto", 10, 0, []string{"SGE_TASK_ID=10"}, 9, []int{9}},
		{"auto", 10, 0, []string{"LSB_JOBINDEX=1"}, 0, []int{0}},
		{"auto", 10, 0, []string{"SGE_TASK_ID=undefined", "LSB_JOBINDEX=2"}, 1, []int{1}},
		{"auto", 10, 0, []string{"SLURM_ARRAY_TASK_ID=5", "JOB_COMPLETION_INDEX=6"}, 6, []int{6}},
		{"3,17,40-44", 148, 0, []string{"JOB_COMPLETION_INDEX=0"}, 3, []int{3}},
		{"3,17,40-44", 148, 0, []string{"JOB_COMPLETION_INDEX=6"}, 44, []int{44}},
		{"3,17", 40, 20, []string{"LSB_JOBINDEX=2"}, 17, []int{17, 37}},
	} {
		s, err := Parse(tt.spec)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		got, err := s.Of(tt.shards, tt.stride, environment(tt.env...))
		if err != nil || got.Number != tt.number || !slices.Equal(got.Shards, tt.does) {
			t.Errorf("--task %s --stride %d of %d, %q: %+v, %v, want %d: %v",
				tt.spec, tt.stride, tt.shards, tt.env, got, err, tt.number, tt.does)
		}
	}
}

func TestOfRefuses(t *testing.T) {
	const outside = ": the tasks over 148 shards are 0 to "
	for _, tt := range []struct {
		spec           string
		shards, stride int
		env            string
		want           string
	}{
		{"auto", 148, 0, "", "--task auto: no engine tells the number of this task: neither JOB_COMPLETION_INDEX, " +
			"SLURM_ARRAY_TASK_ID, AWS_BATCH_JOB_ARRAY_INDEX, BATCH_TASK_INDEX, CLOUD_RUN_TASK_INDEX, " +
			"PBS_ARRAY_INDEX, SGE_TASK_ID nor LSB_JOBINDEX is set"},
		{"auto", 148, 0, "SGE_TASK_ID=undefined", "--task auto: no engine tells"},
		{"auto", 148, 0, "LSB_JOBINDEX=0", "--task auto: no engine tells"},
		{"auto", 148, 0, "SGE_TASK_ID=0", "--task auto: SGE_TASK_ID=0: not a number from 1 on"},
		{"auto", 148, 0, "JOB_COMPLETION_INDEX=", "--task auto: JOB_COMPLETION_INDEX=: not a number from 0 on"},
		{"auto", 148, 0, "JOB_COMPLETION_INDEX=-1", "--task auto: JOB_COMPLETION_INDEX=-1: not a number"},
		{"auto", 148, 0, "JOB_COMPLETION_INDEX=1e3", "--task auto: JOB_COMPLETION_INDEX=1e3: not a number"},
		{"auto", 148, 0, "JOB_COMPLETION_INDEX=148",
			"--task auto: JOB_COMPLETION_INDEX=148" + outside + "147"},
		{"auto", 148, 10, "JOB_COMPLETION_INDEX=10",
			"--task auto: JOB_COMPLETION_INDEX=10" + outside + "9"},
		{"auto", 148, 0, "SGE_TASK_ID=149", "--task auto: SGE_TASK_ID=149" + outside + "147"},
		{"148", 148, 0, "", "--task 148: 148" + outside + "147"},
		{"3,200", 148, 0, "JOB_COMPLETION_INDEX=1", "--task 3,200: 200" + outside + "147"},
		{"3,17", 148, 0, "JOB_COMPLETION_INDEX=2",
			"--task 3,17: JOB_COMPLETION_INDEX=2: the list has the numbers of 2 tasks"},
		{"3,17", 148, 0, "", "--task 3,17: no engine tells"},
		{"0", 0, 0, "", "--task 0: 0: the tasks over 0 shards are none"},
	} {
		s, err := Parse(tt.spec)
		if err == nil {
			_, err = s.Of(tt.shards, tt.stride, environment(tt.env))
		}
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !errors.As(err, new(*ui.UsageError)) {
			t.Errorf("--task %s --stride %d of %d, %s: %v, want %s",
				tt.spec, tt.stride, tt.shards, tt.env, err, tt.want)
		}
	}
	for _, text := range []string{"", "Auto", "-1", "1,,2", "1-", "0x1", "1,1"} {
		if _, err := Parse(text); !errors.As(err, new(*ui.UsageError)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAttempt(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want int
	}{
		{[]string{"JOB_COMPLETION_INDEX=0"}, 0},
		{[]string{"JOB_COMPLETION_INDEX=0", "SHARDFS_TASK_FAILURES="}, 0},
		{[]string{"JOB_COMPLETION_INDEX=0", "SHARDFS_TASK_FAILURES=2"}, 3},
		{[]string{"SLURM_ARRAY_TASK_ID=0"}, 0},
		{[]string{"SLURM_ARRAY_TASK_ID=0", "SLURM_RESTART_COUNT=1"}, 2},
		{[]string{"AWS_BATCH_JOB_ARRAY_INDEX=0", "AWS_BATCH_JOB_ATTEMPT=1"}, 1},
		{[]string{"AWS_BATCH_JOB_ARRAY_INDEX=0", "AWS_BATCH_JOB_ATTEMPT=0"}, 0},
		{[]string{"BATCH_TASK_INDEX=0", "BATCH_TASK_RETRY_ATTEMPT=0"}, 1},
		{[]string{"CLOUD_RUN_TASK_INDEX=0", "CLOUD_RUN_TASK_ATTEMPT=4", "SLURM_RESTART_COUNT=9"}, 5},
	} {
		for _, spec := range []string{"auto", "0"} { // also if the engine is not asked for the number
			s, err := Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Of(1, 0, environment(tt.env...)); err != nil || got.Attempt != tt.want {
				t.Errorf("%q: attempt %d, %v, want %d", tt.env, got.Attempt, err, tt.want)
			}
		}
	}
}
