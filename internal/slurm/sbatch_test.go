package slurm

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// cluster is a Slurm whose nodes have a shardfs of the test.
type cluster struct {
	*servers.SlurmCluster
	dir string // where jobs are submitted
}

// with returns the cluster in a new directory, with a text for bash as shardfs.
func (c cluster) with(t *testing.T, shardfs string) cluster {
	t.Helper()
	c.dir = t.TempDir()
	bin := filepath.Join(c.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "shardfs"), []byte("#!/bin/bash\n"+shardfs), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH")) // which sbatch hands on
	return c
}

// submit submits a script and returns the number of the job.
func (c cluster) submit(t *testing.T, script []byte, options ...string) string {
	t.Helper()
	return strings.TrimSpace(c.Run(t, string(script), "sbatch", append(options, "--parsable", "--chdir="+c.dir)...))
}

// show returns what Slurm knows about a task, or about an array of which none has been started.
func (c cluster) show(t *testing.T, job string) string {
	t.Helper()
	return c.Run(t, "", "scontrol", "show", "job", job)
}

// ended waits until a task has the given state, and checks its exit code, which is "STATUS:SIGNAL".
func (c cluster) ended(t *testing.T, job, state, code string) {
	t.Helper()
	known := ""
	testtime.Eventually(t, "the end of "+job+": "+state, func() bool {
		known = c.show(t, job)
		return strings.Contains(known, "JobState="+state+" ")
	})
	if !strings.Contains(known, " ExitCode="+code+"\n") {
		t.Errorf("%s: the exit code is not %s: %s", job, code, known)
	}
}

func (c cluster) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A real Slurm reads the scripts as they are meant, and each of its traps is known to them.
func TestSlurm(t *testing.T) {
	c := cluster{SlurmCluster: servers.Slurm(t, "a", "b")}
	t.Run("options", c.options)
	t.Run("size", c.size)
	t.Run("no array", c.noArray)
	t.Run("requeue", c.requeue)
	t.Run("limit", c.limit)
}

func (c cluster) options(t *testing.T) {
	c = c.with(t, "")
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		j := newJob(scripts[name])
		j.Partition, j.GPUs = "", 0 // of which the cluster has none
		job := c.submit(t, j.Script(), "--hold")
		got := c.show(t, job)
		hours, log := "04:00:00", filepath.Join(c.dir, "convert-"+job+"_4294967294.log")
		tasks := strings.Replace(j.spec(), "0-0", "0", 1)
		switch name {
		case "short":
			hours = "00:10:00"
		case "log":
			log = `/logs/it's "my" #1/convert-%4a.log`
		}
		for _, want := range []string{
			"JobName=convert\n", "ArrayTaskId=" + tasks + " ", "StdOut=" + log + "\n", "TimeLimit=" + hours + " ",
			"Requeue=1 ", fmt.Sprintf("CPUs/Task=%d ", j.CPUs), "MinMemoryNode=" + j.Memory + " ",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", name, want, got)
			}
		}
		c.Run(t, "", "scancel", job)
	}
}

// Scripts may have MaxScript bytes, and lists of tasks maxSpec.
func (c cluster) size(t *testing.T) {
	c = c.with(t, "")
	script := newJob(nil).Script()
	for n, ok := range map[int]bool{MaxScript: true, MaxScript + 1: false} {
		text := string(script) + strings.Repeat("#", n-len(script))
		if said, err := c.Command(t, text, "sbatch", "--hold").CombinedOutput(); (err == nil) != ok {
			t.Errorf("a script of %d bytes: %v: %s", n, err, said)
		}
	}
	j := newJob(func(j *Job) {
		j.Array.Count, j.Array.Tasks = MaxArraySize, MaxArraySize
		for i := 0; i < MaxArraySize; i += 3 {
			j.Array.Only = append(j.Array.Only, i, i+1)
		}
	})
	longest := "--array=" + strings.Repeat("0,", (maxSpec-len(j.spec()))/2)
	c.submit(t, bytes.ReplaceAll(j.Script(), []byte("--array="), []byte(longest)), "--hold")
}

// An empty --array= is accepted and starts one job without an index.
func (c cluster) noArray(t *testing.T) {
	c = c.with(t, "touch ran")
	job := c.submit(t, newJob(nil).Script(), "--array=", "--output=log")
	c.ended(t, job, "FAILED", "64:0")
	if said := c.read(t, "log"); !strings.HasPrefix(said, "error: not a task of an array") {
		t.Errorf("the log says %s", said)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "ran")); err == nil {
		t.Error("shardfs was started")
	}
}

// The number of the last task's job is that of the array, so requeuing by it would start all tasks again.
func (c cluster) requeue(t *testing.T) {
	c = c.with(t, `echo "$SLURM_ARRAY_TASK_ID $SLURM_JOB_ID ${SLURM_RESTART_COUNT-}" >>runs
until [ "$SLURM_ARRAY_TASK_ID" != 2 ] || [ $(wc -l <runs) -ge 3 ]; do sleep 0.1; done
[ "$SLURM_ARRAY_TASK_ID" != 2 ] || [ "${SLURM_RESTART_COUNT-0}" = 1 ] || exit 75`)
	j := newJob(func(j *Job) { j.Array.Count, j.Array.Tasks = 3, 3 })
	job := c.submit(t, j.Script())
	testtime.Eventually(t, "the second start of the last task", func() bool {
		runs, _ := os.ReadFile(filepath.Join(c.dir, "runs"))
		return strings.Count(string(runs), "\n") >= 4
	})
	for _, task := range []string{"_0", "_1", "_2"} {
		c.ended(t, job+task, "COMPLETED", "0:0")
	}
	runs := strings.Split(strings.TrimSpace(c.read(t, "runs")), "\n")
	slices.Sort(runs)
	if len(runs) != 4 || runs[2] != "2 "+job+" " || runs[3] != "2 "+job+" 1" {
		t.Errorf("runs %q of job %s", runs, job)
	}
	if said := c.read(t, "convert-"+job+"_2.log"); !strings.Contains(said, "exit status 75; it is started again") {
		t.Errorf("the log says %s", said)
	}
}

// The warning of the time limit reaches shardfs, which has the time to end.
func (c cluster) limit(t *testing.T) {
	c = c.with(t, `trap 'echo told; kill $!; exit 143' TERM
sleep 1000 & wait`)
	j := newJob(func(j *Job) {
		j.Array.Count, j.Array.Tasks, j.Time, j.Grace = 1, 1, "2", 59*time.Second
	})
	if err := j.Check(); err != nil {
		t.Fatal(err)
	}
	job := c.submit(t, j.Script())
	c.ended(t, job+"_0", "FAILED", "143:0") // not TIMEOUT
	said := c.read(t, "convert-"+job+"_0.log")
	if !strings.Contains(said, "told\ntask "+job+"_0: exit status 143;") {
		t.Errorf("the log says %s", said)
	}
}
