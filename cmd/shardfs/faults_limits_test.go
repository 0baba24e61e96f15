package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// limited runs after a command of the shell, such as `ulimit -n 64`: hardly any system has a lower default.
func limited(p *place, limit string, args ...string) result {
	p.t.Helper()
	shell, err := exec.LookPath("sh")
	p.must(err)
	q := *p
	q.program = shell
	return q.run(fault{}, append([]string{"-c", limit + "; exec \"$@\"", "sh", p.program}, args...)...)
}

// TestFewFiles runs with 64 open files for each process.
func TestFewFiles(t *testing.T) {
	for _, s := range settingsHere(t)[:manyOrFew(len(settingsHere(t)), min(len(settingsHere(t)), 3))] {
		for _, jobs := range []string{"2", "40"} {
			t.Run(s.String()+"/"+jobs, func(t *testing.T) {
				w := newSwept(t, s, 80)
				w.reset(nil)
				r := limited(w.place, "ulimit -n 64", w.command("-j", jobs)...)
				w.keeps(r, promise{out: w.path("out", s.out), whole: w.whole, statuses: []int{exitIO}})
				if jobs == "2" && r.status != 0 {
					t.Errorf("two commands at a time: exit status %d: %s", r.status, r.stderr)
				}
				w.cleanAfter(r)
			})
		}
	}
}

// cleanAfter checks what a run that has ended by itself leaves.
func (w *swept) cleanAfter(r result) {
	w.t.Helper()
	if r.status == 0 {
		w.clean(w.tree)
	}
	for _, left := range leftovers(w.dir, w.patient) {
		w.t.Errorf("left behind: %s", left)
	}
}

// TestScratchLimits runs with scratch directories that are too small for the run.
func TestScratchLimits(t *testing.T) {
	needsRoot(t)
	// In a mount the command notices first, so the sample fails.
	for _, tt := range []struct {
		name, options string
		flags         uintptr
		statuses      []int
	}{
		{"few inodes", "nr_inodes=8", 0, []int{exitIO, exitFailed}},
		{"few bytes", "size=8k", 0, []int{exitIO, exitFailed}},
		{"read-only", "", unix.MS_RDONLY, []int{exitIO, exitPermission}},
	} {
		for _, s := range settingsHere(t)[:manyOrFew(len(settingsHere(t)), min(len(settingsHere(t)), 3))] {
			t.Run(tt.name+"/"+s.String(), func(t *testing.T) {
				w := newSwept(t, s, 6)
				w.reset(map[string][]byte{s.out: []byte("before")})
				w.must(os.MkdirAll(w.path("small"), 0o700))
				if err := unix.Mount("none", w.path("small"), "tmpfs", tt.flags, tt.options); err != nil {
					skip.Without(t, "a tmpfs: %v", err)
				}
				r := w.run(fault{}, w.command("--scratch", w.path("small"))...)
				w.keeps(r, promise{out: w.path("out", s.out), whole: w.whole, before: []byte("before"),
					statuses: tt.statuses})
				if r.status == 0 {
					t.Error("the run did not reach the limit, so nothing was tested")
				}
				if left, err := os.ReadDir(w.path("small")); err != nil || len(left) > 0 {
					t.Errorf("left behind: %v, %v", left, err)
				}
				w.must(unix.Unmount(w.path("small"), 0))
				w.cleanAfter(r)
			})
		}
	}
}

// TestTwoToOneOutput has two different runs write the same output at once. At least one must succeed, and the output
// must be that of a run that did.
func TestTwoToOneOutput(t *testing.T) {
	for _, s := range settingsHere(t)[:manyOrFew(len(settingsHere(t)), min(len(settingsHere(t)), 3))] {
		t.Run(s.String(), func(t *testing.T) {
			w := newSwept(t, s, 6)
			out := w.path("out", s.out)
			other := []string{"run", "-q", "-j", "2", "--workspace", s.workspace, "-c", "rm sample.bin",
				"in.tar", "-o", out}
			if r := w.run(fault{}, other...); r.status != 0 {
				t.Fatal(r.stderr)
			}
			others, err := os.ReadFile(out)
			w.must(err)
			for range manyOrFew(50, 5) {
				w.reset(nil)
				ended := make(chan result)
				go func() { ended <- w.run(fault{}, other...) }()
				one, two := w.run(fault{}, w.command()...), <-ended
				got, err := os.ReadFile(out)
				if !bytes.Equal(got, w.whole) && !bytes.Equal(got, others) {
					t.Errorf("the output is that of neither run: %d bytes, %v", len(got), err)
				}
				if one.hung || two.hung || one.status != 0 && two.status != 0 {
					t.Errorf("exit statuses %d and %d: %s%s", one.status, two.status, one.stderr, two.stderr)
				}
				w.clean(w.tree)
			}
		})
	}
}

// TestOutputDirectoryGone removes the output's directory during a run.
func TestOutputDirectoryGone(t *testing.T) {
	for _, s := range settingsHere(t)[:manyOrFew(len(settingsHere(t)), min(len(settingsHere(t)), 3))] {
		t.Run(s.String(), func(t *testing.T) {
			w := newSwept(t, s, 6)
			w.reset(nil)
			gone := make(chan error)
			go func() {
				for start := time.Now(); time.Since(start) < w.patient; time.Sleep(time.Millisecond) {
					if _, err := os.Lstat(w.path("started")); err == nil {
						gone <- os.RemoveAll(w.path("out"))
						return
					}
				}
				gone <- errors.New("no command was started")
			}()
			out := w.path("out", s.out)
			r := w.run(fault{}, "run", "-q", "--workspace", s.workspace,
				"-c", ": >$WORK/started; while test -e $WORK/out; do sleep 0.01; done", "in.tar", "-o", out)
			w.must(<-gone)
			w.speaks(r)
			if _, err := os.Lstat(w.path("out")); r.hung || r.status == 0 || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("exit status %d, and %v: %s", r.status, err, r.stderr)
			}
			if bytes.Contains([]byte(r.stderr), []byte("\nshardfs: error")) {
				t.Errorf("more than one error: %s", r.stderr)
			}
			for _, left := range leftovers(w.dir, w.patient) {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

// TestMemoryLimit runs over a gzip shard with the memory limit of each process in a control group of 96 MiB.
func TestMemoryLimit(t *testing.T) {
	var shard bytes.Buffer
	zip, err := gzip.NewWriterLevel(&shard, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zip)
	for i := range 80 {
		content := noise(i, 500_000)
		h := &tar.Header{Name: fmt.Sprintf("%04d.bin", i), Mode: 0o644, Size: int64(len(content))}
		if err := errors.Join(w.WriteHeader(h), second(w.Write(content))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprintf("export GOMEMLIMIT=%d", (96<<20)/memoryShare)
	for _, workspace := range workspaces(t) {
		p := newPlace(t, shard.Bytes())
		ended, memory := make(chan struct{}), make(chan int)
		go func() { memory <- p.largest(ended) }()
		r := limited(p, limit, "run", "-q", "-j", "2", "--workspace", workspace, "-c", "cat sample.bin >/dev/null",
			"in.tar", "-o", p.path("out", "out.tgz"))
		close(ended)
		if most := <-memory; r.status != 0 || most > 40<<20 {
			t.Errorf("%s: exit status %d, %d bytes of memory in a process: %s", workspace, r.status, most, r.stderr)
		}
	}
}

// largest watches the processes of a run until ended is closed, and returns the most memory of one of them in bytes,
// without pages of files.
func (p *place) largest(ended <-chan struct{}) (most int) {
	for {
		for _, process := range processes(p.dir) {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.pid))
			if _, anonymous, ok := strings.Cut(string(status), "RssAnon:"); ok {
				var kilobytes int
				fmt.Sscan(anonymous, &kilobytes)
				most = max(most, kilobytes<<10)
			}
		}
		select {
		case <-ended:
			return most
		case <-time.After(5 * time.Millisecond):
		}
	}
}
