package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/cgroup"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// newMemoryPlace makes a place whose runs have scratch in memory, because TMPDIR is not set: the rest is in /tmp.
func newMemoryPlace(t *testing.T, shard []byte) *place {
	t.Helper()
	needsRoot(t)
	if !server.CanMount() {
		skip.Without(t, "/dev/fuse")
	}
	if cgroup.Available() < 2<<30 {
		skip.Without(t, "2 GiB of memory")
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		skip.Without(t, "mount namespaces: %v: %s", err, out)
	}
	p := newPlace(t, shard)
	p.env = []string{"TMPDIR="}
	return p
}

// where is a command that prints what its directory is on.
const where = "findmnt -no FSTYPE,SOURCE -T ."

// Samples and changes are in memory unless the user has named a place for them, and outputs are the same.
func TestMemoryScratch(t *testing.T) {
	p := newMemoryPlace(t, someSamples(t, 5, 3000))
	var want []byte
	for _, tt := range []struct {
		name   string
		args   []string
		memory bool
	}{
		{"by itself", nil, true},
		{"a mount", []string{"--workspace", "fuse"}, true},
		{"retried, so copies", []string{"--retries", "1"}, true},
		{"--scratch", []string{"--scratch", "scratch"}, false},
		{"a directory for copies", []string{"--workspace", "dir"}, false},
	} {
		p.reset(nil)
		work := "rm sample.txt; cat sample.bin >sample.copy; " + where
		if tt.args != nil && tt.args[0] == "--retries" {
			work = "test $SAMPLE_ATTEMPT = 2 || exit 1; " + work
		}
		var stdout bytes.Buffer
		args := append([]string{"run", "-v", "-c", work, "in.tar", "-o", p.path("out", "out.tar")}, tt.args...)
		r := p.pipe(fault{}, nil, &stdout, args...)
		if r.status != 0 {
			t.Fatalf("%s: exit status %d: %s", tt.name, r.status, r.stderr)
		}
		for line := range strings.Lines(stdout.String()) {
			if strings.Contains(line, "memory") != tt.memory {
				t.Errorf("%s: a sample is on %s", tt.name, line)
			}
		}
		got, err := os.ReadFile(p.path("out", "out.tar"))
		p.must(err)
		if want == nil {
			want = got
		}
		if strings.Count(stdout.String(), "\n") != 5 || !bytes.Equal(got, want) {
			t.Errorf("%s: another output, after %q", tt.name, &stdout)
		}
		if tt.args == nil || tt.args[0] != "--scratch" {
			p.empty(r.stderr)
		}
	}
}

// empty checks that nothing is left, also in /tmp, of a run that has said with -v where its scratch was.
func (p *place) empty(said string) {
	p.t.Helper()
	places := regexp.MustCompile(`/tmp/shardfs-\d+`).FindAllString(said, -1)
	if len(places) == 0 {
		p.t.Errorf("not said where scratch was: %s", said)
	}
	for _, dir := range places {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			p.t.Errorf("left behind: %s, %v", dir, err)
		}
	}
	for _, left := range leftovers(p.dir, p.patient) {
		p.t.Errorf("left behind: %s", left)
	}
}

// A command that fills the memory runs again on disk, and so do those after it.
func TestMemoryScratchFilled(t *testing.T) {
	p := newMemoryPlace(t, someSamples(t, 4, 3000))
	group := memoryGroup(t, 1280<<20) // of which a run takes at most 320 MiB
	const fails, ignores = "head -c 400M /dev/zero >big && wc -c <big >sample.size && rm big",
		"head -c 400M /dev/zero >big; wc -c <big >sample.size; rm big"
	for _, tt := range []struct {
		name, fill string
		args       []string
	}{
		{"it fails", fails, []string{"-j", "1"}},
		{"it does not notice", ignores, []string{"-j", "2"}},
		{"samples together", fails, []string{"--batch", "2"}},
	} {
		p.reset(nil)
		command := "for dir in \"${@:-.}\"; do ( cd \"$dir\"; " +
			"case $(pwd) in */mnt/*) ;; *) echo $SAMPLE_ATTEMPT >sample.disk;; esac; " +
			"test $(cat __key__) != " + keyOf(t, p, 1) + " || { " + tt.fill + "; } ) || exit; done"
		args := append([]string{"run", "-v", "-c", command, "in.tar", "-o", p.path("out", "out.tar")}, tt.args...)
		r := limited(p, fmt.Sprintf("echo $$ >%s/cgroup.procs", group), args...)
		if r.status != 0 || strings.Count(r.stderr, "warning: commands fill the scratch in memory") != 1 {
			t.Fatalf("%s: exit status %d: %s", tt.name, r.status, r.stderr)
		}
		out, err := exec.Command("tar", "-xOf", p.path("out", "out.tar"), "--wildcards", "*.size").Output()
		if p.must(err); strings.TrimSpace(string(out)) != "419430400" {
			t.Errorf("%s: its file had %q bytes", tt.name, out)
		}
		out, err = exec.Command("tar", "-xOf", p.path("out", "out.tar"), "--wildcards", "*.disk").Output()
		if p.must(err); !strings.HasPrefix(string(out), "1\n") || strings.Contains(string(out), "2") {
			t.Errorf("%s: on disk were samples with the attempts %q", tt.name, out)
		}
		p.empty(r.stderr)
	}
}

// keyOf returns the key of a sample in the shard.
func keyOf(t *testing.T, p *place, number int) string {
	t.Helper()
	out, err := exec.Command(p.program, "ls", p.path("in.tar")).Output()
	keys := strings.Fields(string(out))
	if err != nil || len(keys) <= number {
		t.Fatalf("ls: %v: %q", err, out)
	}
	return keys[number]
}

// Whatever ends a run, its memory is free then, and the next run removes what is left on disk.
func TestMemoryScratchEnds(t *testing.T) {
	p := newMemoryPlace(t, someSamples(t, 5, 3000))
	for _, tt := range []struct {
		name, how string
		status    int
		clean     bool
	}{
		{"interrupted", "kill -INT $4", 128 + int(unix.SIGINT), true},
		{"killed", "kill -KILL $4", 128 + int(unix.SIGKILL), false},
		{"killed in its namespace", "kill -KILL $PPID", 128 + int(unix.SIGKILL), false},
	} {
		p.reset(nil)
		// The fourth word is the parent of the command's parent, which is outside the namespace of the run.
		command := "cp sample.bin sample.copy; set -- $(cat /proc/$PPID/stat); " + tt.how + "; exec sleep 1000"
		r := p.run(fault{}, "run", "-v", "-j", "2", "-c", command, "in.tar", "-o", p.path("out", "out.tar"))
		if p.gone(); r.hung || r.status == 0 || tt.clean && r.status != tt.status {
			t.Errorf("%s: exit status %d, want %d: %s", tt.name, r.status, tt.status, r.stderr)
		}
		if all, _ := os.ReadFile("/proc/self/mountinfo"); bytes.Contains(all, []byte("shardfs-memory")) {
			t.Errorf("%s: its memory is mounted here", tt.name)
		}
		if !tt.clean {
			if r := p.run(fault{}, "run", "-q", "-c", "true", "in.tar", "-o", p.path("out", "out.tar")); r.status != 0 {
				t.Errorf("after it was %s: exit status %d: %s", tt.name, r.status, r.stderr)
			}
		}
		p.empty(r.stderr)
	}
}
