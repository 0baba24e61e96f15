package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// TestRandomKills kills one of a run's own processes or the server of its mount at random moments.
func TestRandomKills(t *testing.T) {
	verbs := []string{"run", "mount"}
	if !server.CanMount() {
		skip.Part(t, "/dev/fuse for killing a server")
		verbs = verbs[:1]
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, verb := range verbs {
		for _, how := range ways {
			t.Run(verb+"/"+how.name, func(t *testing.T) {
				var all []*swept
				for _, s := range settingsHere(t) {
					if verb == "run" || s.workspace == "fuse" {
						w := newSwept(t, s, 6)
						if verb == "mount" {
							w.tail = "; true" // the command does not notice
						}
						all = append(all, w)
					}
				}
				struck, most := 0, 150*time.Millisecond
				for n := 0; struck < manyOrFew(50, 8); n++ {
					w := all[n%len(all)]
					w.reset(nil)
					f := fault{kill: verb, after: time.Duration(r.Int64N(int64(most)))}
					if w.breaks(f, promise{out: w.path("out", w.out), whole: w.whole}, how) > 0 {
						struck++
					}
					if t.Failed() {
						t.Fatal(f)
					}
				}
			})
		}
	}
}

// TestKilledWhileMounting kills the server of a run's mount before that is ready.
func TestKilledWhileMounting(t *testing.T) {
	needsStrace(t)
	if !server.CanMount() {
		skip.Without(t, "/dev/fuse")
	}
	for _, tt := range []struct {
		setting
		calls []string
	}{
		{setting{"fuse", "out.tar", false}, []string{
			"mount", "fsmount", "move_mount", "fanotify_mark", "fchmodat", "umount2", "chdir",
		}},
		{setting{"fuse", "out.tar", true}, []string{"mount", "umount2"}},
	} {
		w := newSwept(t, tt.setting, 6)
		for _, call := range tt.calls {
			nth := 1
			for w.at(harm{call, "signal=SIGKILL", ""}, nth, ways[0]) > 0 && !t.Failed() {
				w.reset(nil)
				r := w.run(fault{inject: fmt.Sprintf("%s:signal=SIGKILL:when=%d", call, nth)}, w.command()...)
				if n := strings.Count(r.stderr, "shardfs: error: "); r.status != 0 && !r.killed && n != 1 {
					t.Errorf("%s, %s %d: what was mounted is in the way: %s", tt.setting, call, nth, r.stderr)
				}
				w.gone()
				nth++
			}
			if nth == 1 {
				t.Errorf("%s: %s was never called", tt.setting, call)
			}
		}
	}
}

// TestAllKilled kills all processes of a run but the guardian, which ends, as otherwise the run's mount namespace would
// not, with copies of other mounts.
func TestAllKilled(t *testing.T) {
	if !server.CanMount() {
		skip.Without(t, "/dev/fuse")
	}
	w := newSwept(t, setting{workspace: "fuse", out: "out.tar"}, 6)
	cmd := exec.Command(w.program, "run", "--workspace", "fuse", "-c", "echo >$WORK/out/begun; sleep 1000", "in.tar")
	cmd.Dir, cmd.Env = w.dir, []string{"WORK=" + w.dir, "TMPDIR=" + w.path(".tmp"), "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.must(cmd.Start())
	defer cleanUp(w.dir)
	testtime.Eventually(t, "the command", func() bool {
		_, err := os.Stat(w.path("out", "begun"))
		return err == nil
	})
	for _, p := range processes(w.dir) {
		if !p.runs("guardian") {
			unix.Kill(p.pid, unix.SIGKILL)
		}
	}
	cmd.Wait()
	w.gone()
}
