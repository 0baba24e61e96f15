package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// work runs a worker over directories with these names, one at a time, and returns the result of each.
func work(t *testing.T, o Options, names ...string) (got []string) {
	t.Helper()
	root := t.TempDir()
	o.Worker = true
	if o.Jobs == 0 {
		o.Jobs = 1
	}
	jobs := func(yield func(Job) bool) {
		for _, name := range names {
			if !yield(Job{Prepare: at(filepath.Join(root, name))}) {
				return
			}
		}
	}
	for res, err := range allResults(t.Context(), o, jobs) {
		switch {
		case err != nil:
			t.Fatal(err)
		case res.Err == nil:
			got = append(got, "ok")
		case !Failed(res.Err):
			t.Errorf("%v does not count as a failure", res.Err)
		default:
			got = append(got, res.Err.Error())
		}
	}
	return got
}

func TestWorker(t *testing.T) {
	protocol := errProtocol.Error()
	for _, tt := range []struct {
		name   string
		script string   // AT_B is replaced by a loop that answers ok, except for b
		want   []string // for a, b, c
	}{
		{"answers", `AT_B echo fail it is b`, []string{"ok", "fail: it is b", "ok"}},
		{"without a message", `while read -r d; do echo fail; done`, []string{"fail", "fail", "fail"}},
		{"one process", `n=0; while read -r d; do n=$((n+1)); echo fail $n; done`,
			[]string{"fail: 1", "fail: 2", "fail: 3"}},
		{"ends at b", `AT_B exit 7`, []string{"ok", "exit status 7", "ok"}},
		{"answers and ends", `read -r a; echo ok; read -r b; echo fail b; exit 3`, []string{"ok", "fail: b"}},
		{"ends at b without a word", `AT_B exit 0`, []string{"ok", protocol + ": it ended", "ok"}},
		{"killed at b", `AT_B kill -9 $$`, []string{"ok", "killed by signal 9 (killed)", "ok"}},
		{"chatter", `AT_B echo hello`, []string{"ok", protocol + `: it wrote "hello\n"`, "ok"}},
		{"two lines", `AT_B printf 'ok\nok\n'`, []string{"ok", protocol + `: it wrote "ok\nok\n"`, "ok"}},
		{"half a line", `AT_B printf 'o'; exit 1`, []string{"ok", "exit status 1", "ok"}},
		{"okay", `while read -r d; do echo okay; done`, slices.Repeat([]string{protocol + `: it wrote "okay\n"`}, 3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script := tt.script
			if answer, ok := strings.CutPrefix(script, "AT_B "); ok {
				script = "while read -r d; do case $d in */b) " + answer + ";; *) echo ok;; esac; done"
			}
			if got := work(t, shell(script), []string{"a", "b", "c"}[:len(tt.want)]...); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// A worker that takes too long is ended, with what it has started, and the next directory gets another one.
func TestWorkerTimeout(t *testing.T) {
	o := shell(`while read -r d; do case $d in */b) sleep 1000 & wait;; *) echo ok;; esac; done`)
	withinTimeout(t, func(timeout time.Duration) bool {
		o.Timeout = timeout
		got, timedOut := work(t, o, "a", "b", "c"), "timed out after "+timeout.String()
		if got[0] == timedOut || got[2] == timedOut {
			return false
		}
		if want := []string{"ok", timedOut, "ok"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		return true
	})
}

// A name with a newline cannot be sent as a line.
func TestWorkerNewline(t *testing.T) {
	got := work(t, shell(`while read -r d; do echo ok; done`), "a\nb", "c")
	if len(got) != 2 || !strings.Contains(got[0], "newline") || got[1] != "ok" {
		t.Errorf("got %q", got)
	}
}

// An answer without an end does not fill the memory.
func TestWorkerEndless(t *testing.T) {
	got := work(t, shell(`read -r d; exec tr '\0' x </dev/zero`), "a")
	if len(got) != 1 || !strings.Contains(got[0], "longer than") {
		t.Errorf("got %.200q", got)
	}
}

// At the end of its input a worker may still do work for a while, and no other worker is left.
func TestWorkerEnds(t *testing.T) {
	dir := t.TempDir()
	o := shell(`while read -r d; do echo ok; done; sleep 0.2; echo >` + dir + `/$$`)
	o.Jobs = 2
	work(t, o, "a", "b", "c", "d")
	if ended, err := os.ReadDir(dir); err != nil || len(ended) == 0 || len(ended) > o.Jobs {
		t.Errorf("%d workers came to their end, %v", len(ended), err)
	}
}

// A worker that has nothing to do when the loop is left gets the end of its input, and time.
func TestWorkerIdle(t *testing.T) {
	dir := t.TempDir()
	o := shell(`trap 'echo >` + dir + `/term' TERM; ` +
		`while read -r d; do case $d in */a) echo ok;; *) echo fail;; esac; done; sleep 0.2; echo >` + dir + `/end-$$`)
	o.Worker, o.Jobs = true, 2
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for res, err := range allResults(ctx, o, in(t.TempDir(), 2)) {
		if err != nil || res.number == 1 {
			cancel()
			break
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) == 0 || !strings.HasPrefix(names[0].Name(), "end-") {
		t.Errorf("the workers left %v, %v", names, err)
	}
	if _, err := os.Stat(dir + "/term"); err == nil {
		t.Error("a worker without a job got SIGTERM")
	}
}

// The exit status of a worker counts after its last job, unless it has failed that.
func TestWorkerFailsAtEnd(t *testing.T) {
	for script, want := range map[string]error{
		`while read -r d; do echo ok; done; exit 3`:              ErrWorker,
		`while read -r d; do echo ok; done; kill -9 $$`:          ErrWorker,
		`while read -r d; do echo ok; done`:                      nil,
		`while read -r d; do echo fail; done; exit 3`:            nil,
		`read -r a; echo ok; read -r b; echo ok; read c; exit 3`: ErrWorker,
	} {
		o := shell(script)
		o.Worker, o.Jobs = true, 1
		results := 0
		var got error
		for _, err := range allResults(t.Context(), o, in(t.TempDir(), 2)) {
			if got = err; err == nil {
				results++
			}
		}
		if !errors.Is(got, want) || results != 2 {
			t.Errorf("%s: %d results, %v, want %v", script, results, got, want)
		}
	}
}

// A loop that is left early ends its workers.
func TestWorkerInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("enough")) })
	o := shell("read -r d; sleep 1000")
	o.Worker, o.Jobs = true, 2
	for res, err := range allResults(ctx, o, in(t.TempDir(), 100)) {
		if err == nil {
			t.Errorf("result %d: %v", res.number, res.Err)
		} else if err.Error() != "enough" {
			t.Error(err)
		}
	}
}

// A command that has failed is run again, in the directory that it gets for that, and only its last attempt counts.
func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		retries, succeeds int
		attempts          int
		output            string
	}{
		{0, 1, 1, "1\n"},
		{0, 2, 1, "1\n"},
		{2, 2, 2, "2\n"},
		{2, 3, 3, "3\n"},
		{2, 4, 3, "3\n"},
	} {
		o := shell(fmt.Sprintf("echo $ATTEMPT; echo e$ATTEMPT >&2; test $ATTEMPT = %d", tt.succeeds))
		o.Retries, o.Tail, o.Log = tt.retries, 100, true
		var log strings.Builder
		for res, err := range allResults(t.Context(), o, in(t.TempDir(), 1)) {
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			res.Output.WriteTo(&out)
			res.Log.WriteTo(&log)
			if (res.Err == nil) != (tt.attempts == tt.succeeds) || res.Attempts != tt.attempts ||
				out.String() != tt.output {
				t.Errorf("%+v: %v after %d attempts, output %q", tt, res.Err, res.Attempts, out.String())
			}
			want := "e" + tt.output
			if string(res.Tail) != want || !strings.Contains(log.String(), want) || len(log.String()) != 5 {
				t.Errorf("%+v: standard error %q, log %q", tt, res.Tail, log.String())
			}
		}
	}
}

// The end of standard error is kept, and all of it is passed on; the log has both streams.
func TestTail(t *testing.T) {
	stderr, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	o := shell("echo out; echo 0123456789 >&2; until [ -s " + stderr.Name() + " ]; do sleep 0.01; done; echo end")
	o.Stderr, o.Tail, o.Log = stderr, 4, true
	for res := range allResults(t.Context(), o, in(t.TempDir(), 1)) {
		var log strings.Builder
		res.Log.WriteTo(&log)
		passed, _ := os.ReadFile(stderr.Name())
		// Which of two streams was written to first cannot be known.
		inOrder := log.String() == "out\n0123456789\nend\n" || log.String() == "0123456789\nout\nend\n"
		if string(res.Tail) != "789\n" || string(passed) != "0123456789\n" || !inOrder {
			t.Errorf("tail %q, passed on %q, log %q", res.Tail, passed, log.String())
		}
	}
}

// A process that has left its command's group is adopted, and does not stay a zombie.
func TestStrays(t *testing.T) {
	dir := t.TempDir()
	pids := filepath.Join(dir, "pids")
	o := shell("(setsid sh -c 'echo $$ >>" + pids + "' &); sleep 0.05")
	o.Jobs = 2
	start, limit := time.Now(), testtime.Limit(t, 20*time.Second)
	for res, err := range allResults(t.Context(), o, in(dir, 1<<20)) {
		if err != nil || res.Err != nil {
			t.Fatal(err, res.Err)
		}
		text, _ := os.ReadFile(pids)
		all := strings.Fields(string(text))
		for _, pid := range all {
			if _, err := os.Stat("/proc/" + pid); errors.Is(err, fs.ErrNotExist) {
				return // it was reaped
			}
		}
		if time.Since(start) > limit {
			t.Fatalf("none of %d strays was reaped in %v", len(all), limit)
		}
	}
}

// A job that finds the disk full is prepared again when another job has freed space, if one can.
func TestRoom(t *testing.T) {
	var room atomic.Int64 // how many jobs may still be prepared
	dir := t.TempDir()
	for _, tt := range []struct {
		jobs, room int
		succeed    int // every n-th job succeeds; the others free their space before their turn
		want       bool
	}{{1, 1, 1, true}, {1, 1, 2, true}, {4, 1, 100, true}, {4, 2, 100, true}, {3, 0, 1, false}} {
		room.Store(int64(tt.room))
		seq := func(yield func(Job) bool) {
			for i := range 20 {
				held := false
				give := func() error {
					if held {
						held = false
						room.Add(1)
					}
					return nil
				}
				job := Job{Tag: give, Discard: give, Prepare: func(context.Context, int) (Place, error) {
					if room.Add(-1) < 0 {
						room.Add(1)
						return Place{}, fmt.Errorf("prepare: %w", syscall.ENOSPC)
					}
					held = true
					return Place{Dir: dir, Env: []string{fmt.Sprint("N=", (i+1)%tt.succeed)}}, nil
				}}
				if !yield(job) {
					return
				}
			}
		}
		o := shell("test $N = 0")
		o.Jobs = tt.jobs
		done := 0
		for res, err := range allResults(t.Context(), o, seq) {
			if err != nil {
				t.Fatal(err)
			}
			if full := errors.Is(res.Err, syscall.ENOSPC); full == tt.want {
				t.Fatalf("%+v: job %d: %v", tt, res.number, res.Err)
			} else if full {
				break
			}
			res.Tag.(func() error)()
			done++
		}
		if tt.want && done != 20 {
			t.Errorf("%+v: %d jobs done", tt, done)
		}
	}
}
