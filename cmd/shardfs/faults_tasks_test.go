package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// TestTasksOfEngine has an engine start the tasks of an array, some of them twice, send SIGKILL and SIGTERM to them at random
// moments, and start what is missing again until status is content. Each output is absent or whole at any time, and stays; at
// the end all are there, with the bytes of a run on one machine, and nothing else.
func TestTasksOfEngine(t *testing.T) {
	for _, scheme := range []string{"file", "s3"} {
		t.Run(scheme, func(t *testing.T) {
			b := new(bucket)
			if scheme != "file" {
				b = newBucket(t, scheme)
			}
			for seed := range manyOrFew(100, 2) {
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
					newEngine(t, b, rand.New(rand.NewPCG(7, uint64(seed)))).runAll()
				})
			}
		})
	}
}

// engine is one that starts tasks of an array.
type engine struct {
	*place
	b      *bucket // of the outputs
	watch  *watcher
	shards string // as an argument
	out    string // the pattern of the outputs
	tasks  int    // in the array
	args   []string

	mu        sync.Mutex // guards the fields below
	rand      *rand.Rand
	published map[int]int // how often each shard was said to be
	killed    int         // processes by SIGKILL
	ended     int         // processes by SIGTERM
}

// arrayShards is how many shards an array has.
const arrayShards = 6

// newEngine makes the shards of an array, and the outputs that are wanted.
func newEngine(t *testing.T, b *bucket, r *rand.Rand) *engine {
	p := newPlace(t, nil)
	e := &engine{place: p, b: b, rand: r, published: make(map[int]int), tasks: []int{arrayShards, 4}[r.IntN(2)]}
	e.shards = fmt.Sprintf("in{0..%d}.tar", arrayShards-1)
	for i := range arrayShards {
		shard := someSamples(t, 4+i, []int{3000, 100_000}[r.IntN(2)])
		e.must(os.WriteFile(e.path(fmt.Sprintf("in%d.tar", i)), shard, 0o666))
	}
	spaces := workspaces(t)
	e.args = []string{"run", "-q", "-j", "2", "--workspace", spaces[r.IntN(len(spaces))],
		"-c", "tr a-z A-Z <sample.txt >sample.up; sleep 0.02", e.shards}
	e.out = "out/{name}-{index}.tar"
	if r := e.run(fault{}, append(e.args, "-o", e.out)...); r.status != 0 {
		t.Fatal(r.stderr)
	}
	e.watch = &watcher{want: map[string][]byte{}}
	for i := range arrayShards {
		name := fmt.Sprintf("in%d-%d.tar", i, i)
		content, err := os.ReadFile(e.path("out", name))
		e.must(err)
		e.watch.want[name] = content
	}
	e.reset(nil)
	if b.scheme == "" {
		e.b = &bucket{objects: outputDir{p}}
	} else {
		e.out, e.env = b.scheme+"://bucket/{name}-{index}.tar", b.env
	}
	e.watch.b = e.b
	return e
}

// outputDir has the files of the directory of the outputs, but for temporary ones, as objects.
type outputDir struct{ *place }

func (d outputDir) Get(_ testing.TB, _, name string) []byte {
	content, err := os.ReadFile(d.path("out", name))
	d.must(err)
	return content
}

func (d outputDir) Remove(_ testing.TB, _, name string) { d.must(os.Remove(d.path("out", name))) }

func (d outputDir) List(testing.TB, string) (names []string) {
	entries, err := os.ReadDir(d.path("out"))
	d.must(err)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names
}

// runAll starts tasks until no output is missing.
func (e *engine) runAll() {
	if e.b.scheme != "" {
		e.watch.reset(e.t)
	}
	e.watch.seen = map[string]bool{}
	defer e.watch.watch(e.t)()
	var missing []int
	for n := range e.tasks {
		missing = append(missing, n)
	}
	for round := 0; len(missing) > 0 && !e.t.Failed(); round++ {
		if round == 10 {
			e.t.Fatalf("after %d rounds tasks are missing: %v", round, missing)
		}
		e.round(missing, round < 5)
		e.gone()
		e.age()
		missing = e.missing()
	}
	e.t.Logf("%d killed, %d ended by a signal; said to be published: %v", e.killed, e.ended, e.published)
	for n, times := range e.published {
		if times > 1 {
			e.t.Errorf("shard %d was published %d times", n, times)
		}
	}
	e.nothingMore()
}

// missing returns the tasks whose outputs are missing.
func (e *engine) missing() (tasks []int) {
	list := e.output("status", "-q", e.shards, "-o", e.out, "--missing")
	if list == "" {
		return nil
	}
	shards, err := output.ParseIndexList(list)
	e.must(err)
	for _, n := range shards {
		if !slices.Contains(tasks, n%e.tasks) {
			tasks = append(tasks, n%e.tasks)
		}
	}
	slices.Sort(tasks)
	return tasks
}

// output returns what a command prints that must succeed.
func (e *engine) output(args ...string) string {
	e.t.Helper()
	var out bytes.Buffer
	if r := e.pipe(fault{}, nil, &out, args...); r.status != 0 {
		e.t.Fatalf("%q: exit status %d: %s", args, r.status, r.stderr)
	}
	return strings.TrimSpace(out.String())
}

// round starts the missing tasks, some of them twice. If it disturbs, it sends signals to most of the processes.
func (e *engine) round(missing []int, disturb bool) {
	list := output.IndexList(missing)
	variables := []string{"JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID", "LSB_JOBINDEX"}
	variable, fromList := variables[e.random(3)], e.random(2) == 0
	room := make(chan struct{}, 3)
	var group sync.WaitGroup
	for i, number := range missing {
		told, task := number, "auto"
		if fromList && len(missing) > 1 {
			told, task = i, list
		}
		if variable == "LSB_JOBINDEX" {
			told++
		}
		twice := disturb && e.random(4) == 0
		for range map[bool]int{false: 1, true: 2}[twice] {
			room <- struct{}{}
			group.Go(func() {
				e.start(number, fmt.Sprintf("%s=%d", variable, told), task, disturb, twice)
				<-room
			})
		}
	}
	group.Wait()
}

// random returns a number from 0 on.
func (e *engine) random(n int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rand.IntN(n)
}

// start starts a task and checks how it ends. It may be the second process of two.
func (e *engine) start(number int, variable, task string, disturb, twice bool) {
	args := append(slices.Clone(e.args), "-o", e.out, "--task", task, "--stride", fmt.Sprint(e.tasks))
	cmd := exec.Command(e.program, args...)
	cmd.Dir = e.dir
	cmd.Env = append([]string{"WORK=" + e.dir, "TMPDIR=" + e.path(".tmp"), "XDG_CACHE_HOME=" + e.path(".cache"),
		"HOME=" + e.dir, "PATH=" + os.Getenv("PATH"), variable}, e.env...)
	var stderr bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &stderr, e.patient
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		e.t.Error(err)
		return
	}
	how := unix.Signal(0)
	if disturb && e.random(4) > 0 {
		time.Sleep(time.Duration(e.random(int(200 * time.Millisecond))))
		if how = unix.SIGTERM; e.random(2) == 0 {
			how = unix.SIGKILL
			unix.Kill(-cmd.Process.Pid, how) // all of a container
		} else {
			unix.Kill(cmd.Process.Pid, how) // its first process
		}
	}
	cmd.Wait()
	state := cmd.ProcessState.Sys().(syscall.WaitStatus)
	status := state.ExitStatus()
	if state.Signaled() {
		status = 128 + int(state.Signal())
	}
	if !slices.Contains(map[unix.Signal][]int{
		0: {0}, unix.SIGTERM: {0, 143}, unix.SIGKILL: {0, 137},
	}[how], status) && !(twice && status == exitTemporary) {
		e.t.Errorf("task %d after signal %d, twice %v: exit status %d: %s", number, how, twice, status, stderr.String())
	}
	e.read(number, status, stderr.String())
}

// read reads what a task has said.
func (e *engine) read(number, status int, said string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch status {
	case 137:
		e.killed++
	case 143:
		e.ended++
	}
	done := 0
	for line := range strings.Lines(said) {
		var l taskLine
		if !strings.HasPrefix(line, "{") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil && status != 137 || l.Task != number && err == nil {
			e.t.Errorf("task %d says %q: %v", number, line, err)
		}
		switch l.Status {
		case job.StatusPublished:
			e.published[l.Index]++
			done++
		case job.StatusSkipped:
			done++
		}
	}
	if of := (arrayShards - number + e.tasks - 1) / e.tasks; status == 0 && done != of {
		e.t.Errorf("task %d ends well after %d of %d shards: %s", number, done, of, said)
	}
}

// nothingMore checks that all outputs are there, and nothing else once clean has run and another task, which skips its shards.
func (e *engine) nothingMore() {
	e.output("clean", "-q", "-o", e.out)
	e.start(0, "JOB_COMPLETION_INDEX=0", "auto", false, false)
	want := slices.Sorted(func(yield func(string) bool) {
		for name := range e.watch.want {
			yield(name)
		}
	})
	testtime.Eventually(e.t, "all outputs, and nothing else", func() bool {
		names := e.watch.look(e.t)
		slices.Sort(names)
		return slices.Equal(names, want)
	})
	for _, dir := range []string{"out/.*", ".tmp/*"} {
		if left, _ := filepath.Glob(e.path(dir)); len(left) > 0 {
			e.t.Errorf("left behind: %q", left)
		}
	}
	if m := mountpoints(e.dir); len(m) > 0 {
		e.t.Errorf("mounted: %q", m)
	}
}
