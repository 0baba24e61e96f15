package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// slurmShards are the shards of arrays, and slurmCommand is what is done with each sample when the file GO is there.
const (
	slurmShards  = "s{000..147}.tar"
	slurmCommand = `until test -e "$GO"; do sleep 0.1; done; tr a-z A-Z <sample.txt >sample.up; rm sample.bin`
)

// slurmPlace is a directory that all nodes of a Slurm share, with shards.
type slurmPlace struct {
	*testing.T
	slurm *servers.SlurmCluster
	dir   string
}

// TestSlurm runs arrays on a Slurm with two nodes, of which one fails.
func TestSlurm(t *testing.T) {
	p := &slurmPlace{t, servers.Slurm(t, "a", "b"), t.TempDir()}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(p.dir, ".cache")) // which sbatch hands on
	t.Setenv("GO", filepath.Join(p.dir, "go"))
	for _, dir := range []string{"want", "late", "out"} {
		shardtest.Check(t, os.Mkdir(filepath.Join(p.dir, dir), 0o755))
	}
	for i := range 148 {
		p.write(fmt.Sprintf("s%03d.tar", i), someSamples(t, 3, 500+i))
	}
	p.write("go", nil)
	if status, said := p.shardfs("run", "-q", slurmShards, "-o", "want/{name}.tar", "-c", slurmCommand); status != 0 {
		t.Fatal(said)
	}
	p.in(t, "limit", (*slurmPlace).limit)
	p.in(t, "array", (*slurmPlace).array)
}

// in runs a part of a test.
func (p *slurmPlace) in(t *testing.T, name string, part func(p *slurmPlace)) {
	t.Run(name, func(t *testing.T) { part(&slurmPlace{t, p.slurm, p.dir}) })
}

func (p *slurmPlace) write(name string, content []byte) {
	p.Helper()
	shardtest.Check(p.T, os.WriteFile(filepath.Join(p.dir, name), content, 0o644))
}

// shardfs runs shardfs and returns its exit status and what it prints.
func (p *slurmPlace) shardfs(args ...string) (status int, said string) {
	p.Helper()
	cmd := exec.Command("shardfs", args...)
	cmd.Dir = p.dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.Fatal(err)
	} else if exit != nil {
		out = append(out, exit.Stderr...)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// script returns a script of shardfs slurm.
func (p *slurmPlace) script(args ...string) string {
	p.Helper()
	status, text := p.shardfs(append([]string{"slurm", "-q"}, args...)...)
	if status != 0 {
		p.Fatalf("shardfs slurm %q: exit status %d: %s", args, status, text)
	}
	return text
}

// submit submits a script and returns the number of the job.
func (p *slurmPlace) submit(script string, options ...string) string {
	p.Helper()
	return strings.TrimSpace(p.slurm.Run(p, script, "sbatch", append(options, "--parsable", "--chdir="+p.dir)...))
}

// queued returns how many tasks of a job are in the queue with the given states.
func (p *slurmPlace) queued(job, states string) int {
	p.Helper()
	return len(strings.Fields(p.slurm.Run(p, "", "squeue", "-h", "-r", "-t", states, "-o", "%i", "--jobs="+job)))
}

// ended waits until no task of a job is in the queue.
func (p *slurmPlace) ended(job string) {
	p.Helper()
	const states = "PENDING,RUNNING,COMPLETING"
	testtime.Eventually(p.T, "the end of job "+job, func() bool { return p.queued(job, states) == 0 })
}

// published checks that each output that is there has the bytes of a run on one machine, and returns how many there are.
func (p *slurmPlace) published(dir string) (n int, err error) {
	names, _ := filepath.Glob(filepath.Join(p.dir, dir, "*.tar"))
	for _, name := range names {
		got, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		want, err := os.ReadFile(filepath.Join(p.dir, "want", filepath.Base(name)))
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(got, want) {
			return 0, fmt.Errorf("%s: has %d bytes, and not the %d of a run on one machine", name, len(got), len(want))
		}
	}
	return len(names), nil
}

// watch checks what is published, again and again, until the returned function is called.
func (p *slurmPlace) watch(dir string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for ctx.Err() == nil {
			if _, err := p.published(dir); err != nil {
				p.Error(err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() { cancel(); watcher.Wait() }
}

// left returns the files beside outputs that are none.
func (p *slurmPlace) left(dir string) (names []string) {
	filepath.WalkDir(filepath.Join(p.dir, dir), func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasSuffix(name, ".tar") {
			names = append(names, name)
		}
		return err
	})
	return names
}

// limit has a task told of its time limit: it ends with 143, and leaves nothing. The same task, started again, publishes.
func (p *slurmPlace) limit() {
	shardtest.Check(p.T, os.Remove(filepath.Join(p.dir, "go")))
	script := p.script("s000.tar", "-o", "late/{name}.tar", "--time", "2", "--grace", "59s", "--log", "late-%a.log",
		"-c", slurmCommand)
	job := p.submit(script)
	log := func() string {
		text, _ := os.ReadFile(filepath.Join(p.dir, "late-0.log"))
		return string(text)
	}
	said := "task " + job + "_0: exit status 143; scontrol requeue " + job + "_0 starts it again\n"
	testtime.Eventually(p.T, "the end of a task at its limit", func() bool { return strings.HasSuffix(log(), said) })
	if n, err := p.published("late"); n != 0 || err != nil {
		p.Errorf("%d outputs are published, %v", n, err)
	}
	if left := p.left("late"); len(left) > 0 {
		p.Errorf("left behind: %q", left)
	}
	p.write("go", nil)
	p.ended(job)
	p.slurm.Run(p, "", "scontrol", "requeue", job+"_0")
	testtime.Eventually(p.T, "the output of the second attempt", func() bool {
		n, err := p.published("late")
		return n == 1 && err == nil
	})
}

// array has some tasks of an array cancelled, some requeued, and the node of some of them fail, which goes on with them when
// they have been started again elsewhere. What was cancelled is then submitted again.
func (p *slurmPlace) array() {
	shardtest.Check(p.T, os.Remove(filepath.Join(p.dir, "go")))
	args := []string{slurmShards, "-o", "out/{name}.tar", "--name", "up", "--parallelism", "24", "-c", slurmCommand}
	defer p.watch("out")()
	job := p.submit(p.script(args...))
	testtime.Eventually(p.T, "24 running tasks", func() bool { return p.queued(job, "RUNNING") == 24 })
	p.slurm.Run(p, "", "scancel", job+"_[3,17,140-142]") // two of them run
	for _, task := range []string{"_0", "_5", "_23"} {
		p.slurm.Run(p, "", "scontrol", "requeue", job+task)
	}
	runningOn := func(node string) []string {
		return strings.Fields(p.slurm.Run(p, "", "squeue", "-h", "-r", "-t", "RUNNING", "-w", node, "-o", "%K"))
	}
	onB := runningOn("b")
	if len(onB) < 2 {
		p.Fatalf("tasks %q run on node b", onB)
	}
	p.slurm.CutOff(p, "b")
	testtime.Eventually(p.T, "a node that is missed", func() bool { return len(runningOn("b")) == 0 })
	p.write("go", nil)
	p.ended(job)
	p.slurm.PowerOff(p, "b")

	// What Slurm says about the end of tasks does not tell whether the outputs are there, so status looks.
	status, missing := p.shardfs("status", slurmShards, "-o", "out/{name}.tar", "--missing")
	if status != 0 || missing != "3,17,140-142\n" {
		p.Errorf("status %d: missing are %q", status, missing)
	}
	again := p.script(append(args, "--only-missing")...)
	if !regexp.MustCompile(`(?m)^#SBATCH --array=3,17,140-142%24$`).MatchString(again) {
		p.Errorf("the array of what is missing: %s", again)
	}
	held := p.slurm.Command(p, again, "sbatch", "--hold", "--wait", "--chdir="+p.dir, "--job-name=held")
	shardtest.Check(p.T, held.Start())
	testtime.Eventually(p.T, "a job that waits", func() bool {
		return p.slurm.Run(p, "", "squeue", "-h", "--name=held") != ""
	})
	p.slurm.Run(p, "", "scancel", "--name=held")
	if err := held.Wait(); err != nil {
		p.Errorf("sbatch --wait tells that the job was cancelled, as it has not before: %v", err)
	}
	if status, said := p.shardfs("status", slurmShards, "-o", "out/{name}.tar"); status != exitFailed {
		p.Errorf("status %d: %s", status, said)
	}

	p.submit(again, "--wait")
	if n, err := p.published("out"); n != 148 || err != nil {
		p.Errorf("%d outputs are published, %v", n, err)
	}
	if status, said := p.shardfs("status", slurmShards, "-o", "out/{name}.tar", "--mark"); status != 0 {
		p.Errorf("status %d: %s", status, said)
	}
	if script := p.script(append(args, "--only-missing")...); script != "" {
		p.Errorf("a script for nothing: %s", script)
	}
	p.Logf("tasks %q were started again while they ran on", onB)
}
