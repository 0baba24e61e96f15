package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/job"
)

// TestKillsOfMany kills runs over several shards, each with its own output, at random moments, and starts them again
// until nothing is left to do: at each moment an output is absent or has the bytes of a run over its shard alone, and what was
// published is not made again.
func TestKillsOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, workspace := range workspaces(t) {
		for _, resume := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/resume=%v", workspace, resume), func(t *testing.T) {
				p := newPlace(t, nil)
				const shards = 5
				var names []string
				want := make(map[string][]byte)
				args := func(in ...string) []string {
					a := []string{"run", "-q", "-j", "3", "--workspace", workspace, "-c",
						`case $SAMPLE_KEY in 003) exit 1;; esac; tr a-z A-Z <sample.txt >sample.up`,
						"--on-error", "skip"}
					return append(a, in...)
				}
				for i := range shards {
					name := fmt.Sprintf("s%d.tar", i)
					names = append(names, name)
					p.must(os.WriteFile(p.path(name), p.shard(12+i), 0o666))
					p.run(fault{}, args(name, "-o", "out/single.tar", "--failed", "out/failed.tar")...)
					for _, kind := range []string{"single", "failed"} {
						b, err := os.ReadFile(p.path("out", kind+".tar"))
						p.must(err)
						want[fmt.Sprintf("%s-s%d.tar", kind, i)] = b
					}
				}
				many := args(append(names, "-o", "out/single-{name}.tar", "--failed", "out/failed-{name}.tar",
					"--report", "out/report", "--scratch", "scratch")...)
				if resume {
					many = append(many, "--resume")
				}
				for round := range manyOrFew(20, 1) {
					p.reset(nil)
					kept := make(map[string]os.FileInfo)
					for n := 0; ; n++ {
						f := fault{kill: "run", after: time.Duration(r.Int64N(int64(300 * time.Millisecond)))}
						if n == manyOrFew(20, 6) {
							f = fault{} // it must come to an end
						}
						res := p.run(f, many...)
						p.gone()
						p.age()
						p.checkMany(want, kept)
						if t.Failed() {
							t.Fatalf("round %d, after run %d: %v: %s", round, n, f, res.stderr)
						}
						if !res.killed && !strings.Contains(res.stderr, "signal: killed") { // as the first process says
							if res.status != exitPartly {
								t.Fatalf("round %d, run %d: exit status %d: %s", round, n, res.status, res.stderr)
							}
							break
						}
					}
					p.nothingLeft(want, resume)
				}
			})
		}
	}
}

// TestFaultsOfMany kills a run over several shards, each with its own output, at its system calls, or makes them fail, and
// then runs it again.
func TestFaultsOfMany(t *testing.T) {
	needsStrace(t)
	calls := []string{
		"write", "fsync", "renameat", "mkdirat", "unlinkat", "openat", "copy_file_range", "pwrite64", "flock",
	}
	whats := []string{"signal=SIGKILL", "error=EIO", "error=ENOSPC"}
	for i, workspace := range workspaces(t) {
		p := newPlace(t, nil)
		args := []string{"run", "-q", "-j", "2", "--workspace", workspace,
			"-c", "exec 2>/dev/null; cat sample.bin >sample.copy && rm sample.txt"}
		want := make(map[string][]byte)
		many := args
		for i := range 3 {
			name := fmt.Sprintf("s%d.tar", i)
			shard := someSamples(t, 2+i, 3000)
			if i == 1 { // the base of this one is FUSE
				shard = unordered(t, 2+i, 3000)
			}
			p.must(os.WriteFile(p.path(name), shard, 0o666))
			p.run(fault{}, append(args, name, "-o", "out/single.tar")...)
			b, err := os.ReadFile(p.path("out", "single.tar"))
			p.must(err)
			want[fmt.Sprintf("single-s%d.tar", i)] = b
			many = append(many, name)
		}
		many = append(many, "-o", "out/single-{name}.tar")
		points := 0
		for j, call := range calls {
			for k, what := range whats {
				if !*long && (j+k)%6 != i {
					continue
				}
				for nth, missed := 1, 0; missed < manyOrFew(2, 1); nth = manyOrFew(nth+1, 5*nth) {
					p.reset(nil)
					f := fault{inject: fmt.Sprintf("%s:%s:when=%d", call, what, nth), only: workspace == "dir"}
					fired := p.breaksMany(f, many, want)
					if t.Failed() {
						t.Fatalf("%s: %v", workspace, f)
					}
					if fired == 0 {
						missed++
					} else if fired > 0 {
						points++
					}
				}
			}
		}
		t.Logf("%s: %d points", workspace, points)
		if points < manyOrFew(200, 4) {
			t.Errorf("the fault occurred at %d points", points)
		}
	}
}

// breaksMany runs with a fault, checks the outputs, and runs again. It returns how often the fault occurred.
func (p *place) breaksMany(f fault, args []string, want map[string][]byte) int {
	p.t.Helper()
	kept := make(map[string]os.FileInfo)
	r := p.run(f, args...)
	if r.fired < 0 {
		return r.fired
	}
	p.checkMany(want, kept)
	if r.status == 0 && len(kept) < len(want) || r.hung {
		p.t.Errorf("exit status %d, and %d outputs; hung: %v", r.status, len(kept), r.hung)
	}
	if !r.killed && !r.hung {
		p.speaks(r)
	}
	p.gone()
	p.age()
	if again := p.run(fault{}, args...); again.status != 0 {
		p.t.Errorf("after exit status %d (%s), again: %d: %s", r.status, r.stderr, again.status, again.stderr)
	}
	p.checkMany(want, kept)
	if len(kept) != len(want) {
		p.t.Errorf("%d outputs, want %d", len(kept), len(want))
	}
	for _, left := range leftovers(p.dir, p.patient) {
		p.t.Errorf("left behind: %s", left)
	}
	return r.fired
}

// shard returns a tar of n samples.
func (p *place) shard(n int) []byte {
	p.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range n {
		text := strings.Repeat(fmt.Sprintf("text %d ", i), 500)
		p.must(w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%03d.txt", i), Mode: 0o644, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		p.must(err)
	}
	p.must(w.Close())
	return b.Bytes()
}

// checkMany checks that outputs are whole, and that those which were there stay the same files.
func (p *place) checkMany(want map[string][]byte, kept map[string]os.FileInfo) {
	p.t.Helper()
	for name, content := range want {
		got, err := os.ReadFile(p.path("out", name))
		if os.IsNotExist(err) && kept[name] == nil {
			continue
		}
		if err != nil || !bytes.Equal(got, content) {
			p.t.Errorf("%s has %d bytes, %v; %d are wanted, or others", name, len(got), err, len(content))
			return
		}
		info, err := os.Stat(p.path("out", name))
		p.must(err)
		if before := kept[name]; before != nil && !os.SameFile(before, info) && strings.HasPrefix(name, "single") {
			p.t.Errorf("%s was made again", name)
		}
		kept[name] = info
	}
}

// nothingLeft checks that all outputs are there, and nothing of the runs besides; without --resume the checkpoint that was
// not used stays.
func (p *place) nothingLeft(want map[string][]byte, resume bool) {
	p.t.Helper()
	if !resume {
		os.Remove(p.path("scratch", job.CheckpointFile))
	}
	for name := range want {
		if _, err := os.Stat(p.path("out", name)); err != nil {
			p.t.Error(err)
		}
	}
	for _, dir := range []string{"out/.*", "scratch/*", ".tmp/*"} {
		if left, _ := filepath.Glob(p.path(dir)); len(left) > 0 {
			p.t.Errorf("left behind: %q", left)
		}
	}
	if m := mountpoints(p.dir); len(m) > 0 {
		p.t.Errorf("mounted: %q", m)
	}
	report, err := os.ReadFile(p.path("out", "report"))
	p.must(err)
	if n := strings.Count(string(report), `"status"`); n != 12+13+14+15+16 {
		p.t.Errorf("the report has %d lines", n)
	}
}
