package slurm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// task is a task on a node that has shardfs and scontrol, which are scripts of the test.
type task struct {
	*exec.Cmd
	dir string
	log bytes.Buffer
}

// newTask returns task 17 of a job, with more variables in its environment. Shardfs is a text for bash.
func newTask(t *testing.T, j *Job, shardfs string, env ...string) *task {
	t.Helper()
	k := &task{dir: t.TempDir()}
	for name, text := range map[string]string{
		"bin/shardfs":  "#!/bin/bash\n" + shardfs,
		"bin/scontrol": "#!/bin/bash\necho \"$@\" >>requeued\n",
		"script":       string(j.Script()),
	} {
		file := filepath.Join(k.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	k.Cmd = exec.Command(filepath.Join(k.dir, "script"))
	k.Dir, k.Stdout, k.Stderr = k.dir, &k.log, &k.log
	k.Env = append(os.Environ(), "PATH="+filepath.Join(k.dir, "bin")+":"+os.Getenv("PATH"), "TMPDIR="+k.dir,
		"SLURM_ARRAY_JOB_ID=12", "SLURM_ARRAY_TASK_ID=17", "SLURM_JOB_ID=12", "JOB_COMPLETION_INDEX=5")
	k.Env = append(k.Env, env...)
	return k
}

// status runs the task and returns its exit status.
func (k *task) status(t *testing.T) int {
	t.Helper()
	err := k.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return k.ProcessState.ExitCode()
}

// read returns a file of the task; "" if there is none.
func (k *task) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(k.dir, name))
	return string(b)
}

// Shardfs gets what the user gave, byte for byte.
func TestArguments(t *testing.T) {
	for name, change := range scripts {
		j := newJob(change)
		k := newTask(t, j, `printf '%s\0' "$@" >args; env -0 >env; for a; do
case $a in @*) cat "${a#@}" >list; echo "${a#@}" >at;; esac; done`)
		if status := k.status(t); status != 0 {
			t.Fatalf("%s: exit status %d: %s", name, status, &k.log)
		}
		args := strings.Split(strings.TrimSuffix(k.read("args"), "\x00"), "\x00")
		at := strings.TrimSpace(k.read("at"))
		a := *j.Array
		a.Only = nil
		want := a.Argv("shardfs", at)[1:]
		want[1] = "--task=17"
		if !slices.Equal(args, want) {
			t.Errorf("%s: shardfs gets %q, want %q", name, args, want)
		}
		if list := k.read("list"); list != string(a.List) {
			t.Errorf("%s: the list is %q, want %q", name, list, a.List)
		}
		for _, v := range j.Env {
			if !slices.Contains(strings.Split(k.read("env"), "\x00"), v) {
				t.Errorf("%s: no %q in %q", name, v, k.read("env"))
			}
		}
		left, err := os.ReadDir(k.dir)
		for _, e := range left {
			if strings.HasPrefix(e.Name(), "tmp.") {
				t.Errorf("%s: left behind: %s", name, e.Name())
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// What may pass is tried again, as often as asked for, by the number of this task and not by that of a job, which may be the
// whole array's.
func TestRequeue(t *testing.T) {
	for _, tt := range []struct {
		status, retries int
		restarts        string
		again           bool
	}{
		{0, 3, "", false},
		{1, 3, "", false},
		{3, 3, "", false},
		{64, 3, "", false},
		{65, 3, "", false},
		{66, 3, "", false},
		{69, 3, "", true},
		{74, 3, "1", true},
		{75, 3, "2", true},
		{75, 3, "3", false},
		{75, 0, "", false},
		{77, 3, "", false},
		{143, 3, "", false},
	} {
		k := newTask(t, newJob(func(j *Job) { j.Retries = tt.retries }), "exit "+strconv.Itoa(tt.status))
		if tt.restarts != "" {
			k.Env = append(k.Env, "SLURM_RESTART_COUNT="+tt.restarts)
		}
		if status := k.status(t); status != tt.status {
			t.Errorf("exit status %d, want %d", status, tt.status)
		}
		want, says := "", ""
		switch {
		case tt.again:
			want = "requeue 12_17\n"
			says = "task 12_17: exit status " + strconv.Itoa(tt.status) + "; it is started again\n"
		case tt.status != 0:
			says = "task 12_17: exit status " + strconv.Itoa(tt.status) + "; scontrol requeue 12_17 starts it again\n"
		}
		if got := k.read("requeued"); got != want {
			t.Errorf("%+v: scontrol %q, want %q", tt, got, want)
		}
		if got := k.log.String(); got != says {
			t.Errorf("%+v: the log says %q, want %q", tt, got, says)
		}
	}
}

// The shell passes each SIGTERM on, waits until shardfs has cleaned up, and ends with its status.
func TestSignal(t *testing.T) {
	k := newTask(t, newJob(nil), `trap 'echo TERM >>got' TERM
echo >ready
until test -e end; do sleep 0.01; done
echo cleaned
exit 143`)
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	defer k.Process.Kill()
	testtime.Eventually(t, "the start of shardfs", func() bool { return k.read("ready") != "" })
	for n := 1; n <= 3; n++ {
		if err := k.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		testtime.Eventually(t, "the signal", func() bool { return strings.Count(k.read("got"), "TERM") == n })
	}
	if err := os.WriteFile(filepath.Join(k.dir, "end"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	k.Wait()
	if status := k.ProcessState.ExitCode(); status != 143 {
		t.Errorf("exit status %d", status)
	}
	want := "cleaned\ntask 12_17: exit status 143; scontrol requeue 12_17 starts it again\n"
	if got := k.log.String(); got != want {
		t.Errorf("the log says %q, want %q", got, want)
	}
}

// A job without an index, as an empty --array= starts it, does nothing.
func TestNoIndex(t *testing.T) {
	for _, env := range [][]string{{"SLURM_ARRAY_TASK_ID="}, {"SLURM_ARRAY_TASK_ID=", "SLURM_ARRAY_JOB_ID="}} {
		k := newTask(t, newJob(nil), "touch ran", env...)
		if status := k.status(t); status != 64 {
			t.Errorf("exit status %d", status)
		}
		if said := k.log.String(); !strings.HasPrefix(said, "error: not a task of an array") {
			t.Errorf("says %q", said)
		}
		if _, err := os.Stat(filepath.Join(k.dir, "ran")); err == nil {
			t.Error("shardfs was started")
		}
	}
}
