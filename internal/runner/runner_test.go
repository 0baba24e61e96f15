package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// helperDir names, in the environment, the directory in which the test binary runs one endless command instead of
// tests.
const helperDir = "RUNNER_TEST_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		o := shell("echo $$ >pid.new; mv pid.new pid; exec sleep 1000")
		for range allResults(context.Background(), o, in(dir, 1)) {
		}
		return
	}
	os.Exit(m.Run())
}

// shell returns options that run a script.
func shell(script string) Options {
	return Options{Argv: []string{"sh", "-c", script}, Env: os.Environ()}
}

// in returns n jobs in one directory, which tell the command their number as $N.
func in(dir string, n int) iter.Seq[Job] {
	return func(yield func(Job) bool) {
		for i := range n {
			job := Job{Prepare: func(_ context.Context, attempt int) (Place, error) {
				return Place{Dir: dir, Env: []string{"N=" + strconv.Itoa(i), "ATTEMPT=" + strconv.Itoa(attempt)}}, nil
			}}
			if !yield(job) {
				return
			}
		}
	}
}

// at returns a place for a job.
func at(dir string) func(context.Context, int) (Place, error) {
	return func(context.Context, int) (Place, error) { return Place{Dir: dir}, nil }
}

// allResults calls Run and yields the results, and its error if there is one, in the calling goroutine.
func allResults(ctx context.Context, o Options, jobs iter.Seq[Job]) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		passed, more, ended := make(chan Result), make(chan bool), make(chan error, 1)
		go func() {
			ended <- Run(ctx, o, jobs, func(res Result) bool {
				passed <- res
				return <-more
			})
		}()
		for next := true; next; {
			select {
			case err := <-ended:
				if err != nil {
					yield(Result{}, err)
				}
				return
			case res := <-passed:
				next = false
				func() {
					defer func() { // also if the loop panics
						if more <- next; !next {
							<-ended
						}
					}()
					next = yield(res, nil)
				}()
			}
		}
	}
}

// one runs one job and returns its result and output.
func one(t *testing.T, o Options, dir string) (Result, string) {
	t.Helper()
	var res Result
	var out strings.Builder
	for r, err := range allResults(t.Context(), o, in(dir, 1)) {
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Output.WriteTo(&out); err != nil || n != r.Output.Len() {
			t.Fatalf("WriteTo = %d, %v, want %d, nil", n, err, r.Output.Len())
		}
		res = r
	}
	return res, out.String()
}

// noLeaks checks at the end of the test that Run left no goroutine, descriptor or child.
func noLeaks(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	// The first file opened makes the poller of package os, which stays.
	if f, err := os.Open(os.DevNull); err == nil {
		f.Close()
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Cleanup(func() {
		// A goroutine that was waited for may need a moment more to end.
		testtime.Eventually(t, "all goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
		if n := descriptors(); n > files {
			t.Errorf("%d open files, were %d", n, files)
		}
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
			t.Errorf("a child is left: wait4 = %d, %v", pid, err)
		}
	})
}

// withinTimeout calls f with increasing timeouts until f reports that the timeout was long enough: on a busy machine, a
// shell may take long to start.
func withinTimeout(t *testing.T, f func(timeout time.Duration) bool) {
	t.Helper()
	limit := testtime.Limit(t, 10*time.Second)
	for timeout := 200 * time.Millisecond; !f(timeout); timeout *= 2 {
		if timeout > limit {
			t.Fatalf("%v is too short", timeout)
		}
	}
}

// pids returns the n process IDs in text.
func pids(t *testing.T, text string, n int) []int {
	t.Helper()
	var all []int
	for word := range strings.FieldsSeq(text) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	if len(all) != n {
		t.Fatalf("process ids %v, want %d of them", all, n)
	}
	return all
}

// alive reports whether a process runs. A zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return state[0] != 'Z' && state[0] != 'X'
}

func TestOrder(t *testing.T) {
	for _, jobs := range []int{1, 2, 8} {
		t.Run(strconv.Itoa(jobs), func(t *testing.T) {
			noLeaks(t)
			o := shell("sleep $S; echo $N")
			o.Jobs = jobs
			number := 0
			seq := func(yield func(Job) bool) {
				for job := range in(t.TempDir(), 60) {
					prepare := job.Prepare
					job.Prepare = func(ctx context.Context, attempt int) (Place, error) {
						place, err := prepare(ctx, attempt)
						place.Env = append(place.Env, fmt.Sprintf("S=0.0%02d", rand.IntN(30)))
						return place, err
					}
					if !yield(job) {
						return
					}
				}
			}
			for r, err := range allResults(t.Context(), o, seq) {
				if err != nil || r.Err != nil {
					t.Fatal(err, r.Err)
				}
				var out strings.Builder
				r.Output.WriteTo(&out)
				if want := fmt.Sprintln(number); r.number != number || out.String() != want {
					t.Errorf("result %d has output %q, want %d, %q", r.number, out.String(), number, want)
				}
				number++
			}
			if number != 60 {
				t.Errorf("%d results, want 60", number)
			}
		})
	}
}

func TestNoJobs(t *testing.T) {
	noLeaks(t)
	for r, err := range allResults(t.Context(), shell("exit"), in(t.TempDir(), 0)) {
		t.Errorf("yielded %v, %v", r, err)
	}
}

func TestExit(t *testing.T) {
	for _, tt := range []struct {
		script string
		want   *ExitError
		text   string
	}{
		{"exit 0", nil, ""},
		{"exit 1", &ExitError{Status: 1}, "exit status 1"},
		{"exit 3", &ExitError{Status: 3}, "exit status 3"},
		{"exit 127", &ExitError{Status: 127}, "exit status 127"},
		{"exit 128", &ExitError{Status: 128}, "exit status 128"},
		{"exit 143", &ExitError{Status: 143}, "exit status 143"},
		{"exit 255", &ExitError{Status: 255}, "exit status 255"},
		{"kill -KILL $$", &ExitError{Signal: syscall.SIGKILL}, "killed by signal 9 (killed)"},
		{"kill -TERM $$", &ExitError{Signal: syscall.SIGTERM}, "killed by signal 15 (terminated)"},
	} {
		t.Run(tt.script, func(t *testing.T) {
			noLeaks(t)
			r, _ := one(t, shell(tt.script), t.TempDir())
			if tt.want == nil {
				if r.Err != nil {
					t.Error(r.Err)
				}
				return
			}
			var exit *ExitError
			if !errors.As(r.Err, &exit) || *exit != *tt.want || exit.Error() != tt.text {
				t.Errorf("error %v, want %v", r.Err, tt.want)
			}
		})
	}
}

func TestSurroundings(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	o := shell(`cat; pwd; printenv PWD A B; ps -o pgid= -p $$ | tr -d ' ' | grep -qx $$ && echo leads`)
	o.Env = append(o.Env, "A=outer", "B=outer", "N=outer", "PWD=/")
	o.Argv[2] += "; echo $N"
	r, out := one(t, o, dir)
	if want := dir + "\n" + dir + "\nouter\nouter\nleads\n0\n"; r.Err != nil || out != want {
		t.Errorf("%v, output %q, want %q", r.Err, out, want)
	}
	if r.Duration <= 0 {
		t.Errorf("Duration = %v", r.Duration)
	}
}

func TestStderr(t *testing.T) {
	noLeaks(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := shell("echo out; echo err >&2")
	if r, out := one(t, o, t.TempDir()); r.Err != nil || out != "out\n" {
		t.Errorf("without Stderr: %v, output %q", r.Err, out)
	}
	o.Stderr = f
	if r, out := one(t, o, t.TempDir()); r.Err != nil || out != "out\n" {
		t.Errorf("with Stderr: %v, output %q", r.Err, out)
	}
	if b, err := os.ReadFile(f.Name()); string(b) != "err\n" {
		t.Errorf("standard error %q, %v", b, err)
	}
}

func TestEnviron(t *testing.T) {
	got := environ([]string{"A=1", "AB=2", "PWD=/x", "C", "D=4"}, "/dir", []string{"A=5", "D=", "E=6"})
	if want := "PWD=/dir A=5 D= E=6 AB=2 C"; strings.Join(got, " ") != want {
		t.Errorf("environ = %q, want %s", got, want)
	}
}

func TestTimeout(t *testing.T) {
	for _, tt := range []struct{ name, script string }{
		{"alone", "echo $$; exec sleep 100"},
		{"grandchild", "sleep 100 & echo $$ $!; sleep 100"},
		{"ignores SIGTERM", "trap '' TERM; sleep 100 & echo $$ $!; sleep 100; sleep 100"},
		{"succeeds on SIGTERM", "trap 'exit 0' TERM; sleep 100 & echo $$ $!; wait"},
		{"stopped", "echo $$; kill -STOP $$"},
		{"silent", "echo $$; exec sleep 100 >&-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			o := shell(tt.script)
			o.Timeout, o.grace = 200*time.Millisecond, 200*time.Millisecond
			r, out := one(t, o, t.TempDir())
			if !errors.Is(r.Err, errTimeout) || r.Err.Error() != "timed out after 200ms" {
				t.Errorf("error %v, want errTimeout", r.Err)
			}
			if r.Duration < o.Timeout || r.Duration > 50*time.Second {
				t.Errorf("ended after %v", r.Duration)
			}
			for _, pid := range pids(t, out, len(strings.Fields(out))) {
				if alive(pid) {
					t.Errorf("process %d lives on", pid)
				}
			}
		})
	}
}

// SIGTERM reaches the whole group, so that a shell's child can clean up, too.
func TestTimeoutGroup(t *testing.T) {
	noLeaks(t)
	o := shell(`trap : TERM; sh -c 'trap "echo cleaned; exit" TERM; : >ready; sleep 100 & wait'`)
	withinTimeout(t, func(timeout time.Duration) bool {
		o.Timeout = timeout
		dir := t.TempDir()
		r, out := one(t, o, dir)
		if _, err := os.Stat(filepath.Join(dir, "ready")); err != nil {
			return false
		}
		if !errors.Is(r.Err, errTimeout) || out != "cleaned\n" {
			t.Errorf("%v, output %q", r.Err, out)
		}
		return true
	})
}

func TestNoTimeout(t *testing.T) {
	noLeaks(t)
	o := shell("exit 3")
	o.Timeout = time.Hour
	if r, _ := one(t, o, t.TempDir()); r.Err == nil || r.Err.Error() != "exit status 3" {
		t.Errorf("error %v, want exit status 3", r.Err)
	}
}

// Background processes of a command keep the pipe open, but neither delay the job nor outlive it: when the result is
// there, the command's group is empty, so that nothing can write later.
func TestBackground(t *testing.T) {
	noLeaks(t)
	start := time.Now()
	script := "(sleep 100; echo late >file) & (while :; do echo >>busy; done) & (sleep 100; echo late) & echo $$"
	r, out := one(t, shell(script), t.TempDir())
	if r.Err != nil || time.Since(start) > 50*time.Second {
		t.Errorf("%v after %v", r.Err, time.Since(start))
	}
	if err := unix.Kill(-pids(t, out, 1)[0], 0); err != unix.ESRCH {
		t.Errorf("a process of the command's group is left: kill: %v", err)
	}
}

// A process that has left the process group survives, but cannot delay the job, however much it writes.
func TestEscaped(t *testing.T) {
	for _, script := range []string{"sleep 100", "yes 2>/dev/null; sleep 100"} {
		t.Run(script, func(t *testing.T) {
			noLeaks(t)
			dir := t.TempDir()
			r, out := one(t, shell("setsid sh -c 'echo $$ >pid; "+script+
				"' & while ! [ -s pid ]; do :; done; echo done"), dir)
			text, _ := os.ReadFile(filepath.Join(dir, "pid"))
			pid := pids(t, string(text), 1)[0]
			if !alive(pid) {
				t.Error("nobody escaped")
			}
			unix.Kill(-pid, unix.SIGKILL)
			(&command{pid: pid, children: new(children)}).reap()
			if r.Err != nil || !strings.Contains(out, "done\n") {
				t.Errorf("%v, output of %d bytes", r.Err, len(out))
			}
		})
	}
}

func TestOutput(t *testing.T) {
	big := make([]byte, 5<<20)
	rand.NewChaCha8([32]byte{1}).Read(big)
	for _, size := range []int{0, 1, 64<<10 + 1, inMemory, inMemory + 1, len(big)} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			noLeaks(t)
			dir, spill := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "in"), big[:size], 0o600); err != nil {
				t.Fatal(err)
			}
			o := shell("cat in")
			o.Spill = spill
			for r, err := range allResults(t.Context(), o, in(dir, 2)) {
				if err != nil || r.Err != nil {
					t.Fatal(err, r.Err)
				}
				if spilled := r.Output.file != nil; spilled != (size > inMemory) {
					t.Errorf("spilled: %v", spilled)
				}
				for range 2 {
					h := sha256.New()
					if n, err := r.Output.WriteTo(h); n != int64(size) || err != nil {
						t.Fatalf("WriteTo = %d, %v", n, err)
					}
					if [32]byte(h.Sum(nil)) != sha256.Sum256(big[:size]) {
						t.Error("other bytes than were written")
					}
				}
				if entries, err := os.ReadDir(spill); len(entries) > 0 {
					t.Errorf("names in the spill directory: %v, %v", entries, err)
				}
			}
		})
	}
}

func TestSpillFails(t *testing.T) {
	noLeaks(t)
	o := shell("exec yes")
	o.Spill = filepath.Join(t.TempDir(), "missing")
	if r, _ := one(t, o, t.TempDir()); !errors.Is(r.Err, fs.ErrNotExist) {
		t.Errorf("error %v, want that of the spill directory", r.Err)
	}
}

// Where there are no pidfds, the leader's exit is still seen, even if a background child keeps writing.
func TestWithoutPidfd(t *testing.T) {
	noLeaks(t)
	o := shell("yes & sleep 0.05")
	r, err := newRun(o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.null.Close()
	h := slot{run: r, buf: make([]byte, 4096)}
	for _, script := range []string{"yes & sleep 0.05", "sleep 100 & sleep 0.05", "sleep 0.05", "exec sleep 0.05 >&-"} {
		runtime.LockOSThread()
		c, err := r.start(Place{Dir: t.TempDir()}, shell(script).Argv, o.Env, r.null)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(c.pidfd)
		c.pidfd = -1
		out := &Output{dir: t.TempDir()}
		h.keep(c, out.append, new(Result))
		if err := c.wait(t.Context(), time.Second, h.buf); err != nil {
			t.Errorf("%s: %v", script, err)
		}
		out.close()
		runtime.UnlockOSThread()
	}
}

func TestBreak(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	o := shell(`
		case $N in
		0) while ! [ -s pid ]; do sleep 0.01; done; exit 1 ;;
		1) sleep 100 & echo $$ $! >new; mv new pid ;; # the others leave it alone
		esac
		sleep 100`)
	o.Jobs = 2
	start := time.Now()
	for r, err := range allResults(t.Context(), o, in(dir, 100)) {
		if err != nil || r.Err == nil {
			t.Fatal(err, r.Err)
		}
		break
	}
	if d := time.Since(start); d > 50*time.Second {
		t.Errorf("the loop was left after %v", d)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "pid"))
	for _, pid := range pids(t, string(text), 2) {
		if alive(pid) {
			t.Errorf("process %d lives on", pid)
		}
	}
}

func TestPanicInLoop(t *testing.T) {
	noLeaks(t)
	o := shell("[ $N = 0 ] || exec sleep 100")
	o.Jobs = 2
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	for range allResults(t.Context(), o, in(t.TempDir(), 100)) {
		panic("the loop's own")
	}
}

func TestCancel(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	reason := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	o := shell("[ $N != 2 ] || { echo $$ >pid.new; mv pid.new pid; trap '' TERM; sleep 100; sleep 100; }")
	o.Jobs, o.grace = 2, 100*time.Millisecond
	var pulled atomic.Int32
	seq := func(yield func(Job) bool) {
		for job := range in(dir, 1000) {
			pulled.Add(1)
			if !yield(job) {
				return
			}
		}
	}
	var results []int
	var end error
	for r, err := range allResults(ctx, o, seq) {
		if err != nil {
			end = err
			if text, _ := os.ReadFile(filepath.Join(dir, "pid")); alive(pids(t, string(text), 1)[0]) {
				t.Error("the command lives when the error is yielded")
			}
			continue
		}
		results = append(results, r.number)
		if r.number == 1 {
			testtime.Eventually(t, "job 2 to run", func() bool {
				_, err := os.Stat(filepath.Join(dir, "pid"))
				return err == nil
			})
			cancel(reason)
		}
	}
	if end != reason {
		t.Errorf("error %v, want %v", end, reason)
	}
	if len(results) != 2 {
		t.Errorf("results of %v, want of 0 and 1", results)
	}
	if n := pulled.Load(); n > 2+windowPerSlot*2 {
		t.Errorf("%d jobs pulled", n)
	}
}

func TestCancelBefore(t *testing.T) {
	noLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for r, err := range allResults(ctx, shell("exit"), in(t.TempDir(), 3)) {
		if err != context.Canceled {
			t.Errorf("yielded %v, %v, want context.Canceled", r, err)
		}
	}
}

func TestPrepareFails(t *testing.T) {
	noLeaks(t)
	want := errors.New("no room")
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	seq := func(yield func(Job) bool) {
		_ = yield(Job{Prepare: at(dir)}) &&
			yield(Job{Prepare: func(context.Context, int) (Place, error) { return Place{}, want }}) &&
			yield(Job{Prepare: at("relative")}) &&
			yield(Job{Prepare: at(missing)}) &&
			yield(Job{Prepare: at(dir)})
	}
	var got []error
	for r, err := range allResults(t.Context(), shell("exit"), seq) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Err)
	}
	if len(got) != 5 || got[0] != nil || got[1] != want || got[2] == nil || got[3] == nil || got[4] != nil {
		t.Fatalf("errors %v", got)
	}
	if !errors.Is(got[3], errGone) || !strings.Contains(got[3].Error(), missing) {
		t.Errorf("error %v does not name the directory", got[3])
	}
}

func TestNotFound(t *testing.T) {
	for _, tt := range []struct {
		argv []string
		want error
	}{
		{[]string{"no-such-command"}, exec.ErrNotFound},
		{[]string{"./no-such-command"}, fs.ErrNotExist},
		{[]string{"runner.go"}, exec.ErrNotFound},
		{[]string{"./runner.go"}, fs.ErrPermission},
	} {
		noLeaks(t)
		steps := 0
		for _, err := range allResults(t.Context(), Options{Argv: tt.argv}, in(t.TempDir(), 3)) {
			steps++
			var lookup *exec.Error
			if !errors.Is(err, tt.want) || !errors.As(err, &lookup) {
				t.Errorf("%v: error %v, want %v", tt.argv, err, tt.want)
			}
		}
		if steps != 1 {
			t.Errorf("%v: %d steps, want 1", tt.argv, steps)
		}
	}
	for _, err := range allResults(t.Context(), Options{}, in(t.TempDir(), 1)) {
		if err == nil {
			t.Error("ran no command")
		}
	}
}

// A relative Argv[0] is relative to the caller's directory; a command that cannot be started fails the job.
func TestStart(t *testing.T) {
	noLeaks(t)
	t.Chdir(t.TempDir())
	write := func(content string) {
		if err := os.WriteFile("command", []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Argv: []string{"./command"}}

	write("#!/bin/sh\necho $0 here\n")
	if r, out := one(t, o, t.TempDir()); r.Err != nil || !strings.HasSuffix(out, "/command here\n") {
		t.Errorf("%v, output %q", r.Err, out)
	}
	f, err := os.OpenFile("command", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := one(t, o, t.TempDir()); !errors.Is(r.Err, unix.ETXTBSY) || !strings.HasPrefix(r.Err.Error(), "start /") {
		t.Errorf("error %v, want that the text file is busy", r.Err)
	}
	f.Close()
	write("neither a script nor a program")
	if r, _ := one(t, o, t.TempDir()); !errors.Is(r.Err, unix.ENOEXEC) {
		t.Errorf("error %v, want a bad format", r.Err)
	}
}

func TestWindow(t *testing.T) {
	for _, jobs := range []int{1, 3} {
		noLeaks(t)
		window := windowPerSlot * jobs
		var pulled atomic.Int32
		seq := func(yield func(Job) bool) {
			for job := range in(t.TempDir(), 40) {
				pulled.Add(1)
				if !yield(job) {
					return
				}
			}
		}
		o := shell("exit")
		o.Jobs = jobs
		for r, err := range allResults(t.Context(), o, seq) {
			if err != nil {
				t.Fatal(err)
			}
			if r.number == 0 {
				testtime.Eventually(t, "the window to fill", func() bool { return int(pulled.Load()) == window })
			}
			if n := int(pulled.Load()); n > r.number+window {
				t.Errorf("jobs %d: at result %d, %d jobs are pulled, the window is %d", jobs, r.number, n, window)
			}
		}
	}
}

// A single slot, too, runs the next job while the loop handles the one before.
func TestNextBesideLoop(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	o := shell("touch ran$N")
	o.Jobs = 1
	jobs := func(yield func(Job) bool) {
		for n := range 3 {
			job := Job{Prepare: func(context.Context, int) (Place, error) {
				return Place{Dir: dir, Env: []string{fmt.Sprint("N=", n)}}, nil
			}}
			if !yield(job) {
				return
			}
		}
	}
	for r, err := range allResults(t.Context(), o, jobs) {
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		if r.number < 2 {
			next := filepath.Join(dir, fmt.Sprint("ran", r.number+1))
			testtime.Eventually(t, "the next job to run", func() bool { _, err := os.Stat(next); return err == nil })
		}
	}
}

// A command dies with the process that runs it, however that ends.
func TestParentDeath(t *testing.T) {
	dir := t.TempDir()
	helper := exec.Command("/proc/self/exe")
	helper.Env = append(os.Environ(), helperDir+"="+dir)
	helper.Stderr = os.Stderr
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	var text []byte
	testtime.Eventually(t, "the command to start", func() bool {
		var err error
		text, err = os.ReadFile(filepath.Join(dir, "pid"))
		return err == nil
	})
	helper.Process.Kill()
	helper.Wait()
	pid := pids(t, string(text), 1)[0]
	testtime.Eventually(t, "the command to die", func() bool { return !alive(pid) })
	unix.Kill(-pid, unix.SIGKILL)
	(&command{pid: pid, children: new(children)}).reap() // adopted from the helper
}

var _ io.WriterTo = (*Output)(nil)

// A command that is killed before it leads its group has not succeeded.
func TestKilledAtOnce(t *testing.T) {
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "100"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	status := (&command{pid: pid, children: new(children)}).reap()
	if !status.Signaled() || status.Signal() != unix.SIGKILL {
		t.Errorf("status %#x", int(status))
	}
}

// A mark in the sequence has a result in its turn, needs no room in the window, and does not wait for the jobs before it
// to be pulled past.
func TestMarks(t *testing.T) {
	for _, jobs := range []int{1, 3} {
		noLeaks(t)
		window := windowPerSlot * jobs
		var pulled atomic.Int32
		seq := func(yield func(Job) bool) {
			n := 0
			for job := range in(t.TempDir(), 40) {
				for _, job := range []Job{{Tag: "before"}, job, {Tag: "after"}} {
					if job.Prepare != nil {
						pulled.Add(1)
						job.Tag = n
						n++
					}
					if !yield(job) {
						return
					}
				}
			}
		}
		o := shell("echo $N")
		o.Jobs = jobs
		var tags []string
		for r, err := range allResults(t.Context(), o, seq) {
			if err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
			tags = append(tags, fmt.Sprint(r.Tag))
			number, command := r.Tag.(int)
			if command != (r.Output.Len() > 0) || command != (r.Attempts > 0) {
				t.Errorf("%v: %d bytes of output, %d attempts", r.Tag, r.Output.Len(), r.Attempts)
			}
			if !command {
				continue
			}
			if number == 0 {
				testtime.Eventually(t, "the window to fill", func() bool { return int(pulled.Load()) == window })
			}
			if n := int(pulled.Load()); n > number+window {
				t.Errorf("jobs %d: at result %d, %d jobs are pulled, the window is %d", jobs, number, n, window)
			}
		}
		var want []string
		for n := range 40 {
			want = append(want, "before", fmt.Sprint(n), "after")
		}
		if !slices.Equal(tags, want) {
			t.Errorf("jobs %d: results %q, want %q", jobs, tags, want)
		}
	}
}

// A sequence of marks ends with the context, and a loop that ends early leaves the rest.
func TestMarksEnd(t *testing.T) {
	noLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endless := func(yield func(Job) bool) {
		for yield(Job{}) {
		}
	}
	n := 0
	for _, err := range allResults(ctx, shell("exit"), endless) {
		if n++; n == 1000 {
			cancel()
		}
		if err != nil && err != context.Canceled {
			t.Error(err)
		}
	}
	if n < 1000 {
		t.Errorf("%d results", n)
	}
	for range allResults(t.Context(), shell("exit"), endless) {
		break
	}
}
