package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/ui"
)

// halfDone is a command that fails in some samples, in the middle of its work.
const halfDone = `
case $((SAMPLE_INDEX % 10)) in
3) exit $((SAMPLE_INDEX % 255 + 1)) ;;
5) head -c 10 sample.bin >sample.half; rm sample.bin; exit 9 ;;
7) echo garbage >sample.txt; kill -9 $$ ;;
9) if test $((SAMPLE_INDEX % 50)) = 9; then echo garbage >sample.txt; sleep 1000 & sleep 1001; fi ;;
esac
echo done >sample.new
rm sample.txt
`

// failsHalfDone returns how the command fails in a sample, or "" if it does not.
func failsHalfDone(index int) string {
	switch {
	case index%10 == 3:
		return fmt.Sprintf("exit status %d", index%255+1)
	case index%10 == 5:
		return "exit status 9"
	case index%10 == 7:
		return "killed by signal 9 (killed)"
	case index%50 == 9:
		return "timed out after TIMEOUT"
	}
	return ""
}

// timeoutFor returns a timeout that only a command that never ends can reach, however busy this machine is: many times
// the duration of a run of ten commands that end by themselves.
func timeoutFor(p *place) time.Duration {
	p.t.Helper()
	start := time.Now()
	r := p.run(fault{}, "run", "-q", "-j", "8", "-n", "9", "--workspace", "dir", "-c", "cat sample.bin >sample.new",
		"in.tar")
	if r.status != 0 {
		p.t.Fatal(r.stderr)
	}
	return max(6*time.Second, 30*time.Since(start)).Round(time.Second)
}

// TestFailingCommands checks that each policy reports exactly the failures and packs exactly the other samples.
func TestFailingCommands(t *testing.T) {
	n := manyOrFew(1000, 60)
	shard := someSamples(t, n, 500)
	var failures, more strings.Builder
	times := map[string]int{}
	kept := map[string][]member{}
	for i := range n {
		key := fmt.Sprintf("%04d", i)
		before := []member{{key + ".bin", noise(i, 500)}, {key + ".txt", []byte(fmt.Sprintln("text", i))}}
		if why := failsHalfDone(i); why != "" {
			if times[why]++; times[why] <= 10 {
				fmt.Fprintf(&failures, "shardfs: error: in.tar: sample %s: %s\n", key, why)
			}
			kept["keep"] = append(kept["keep"], before...)
			continue
		}
		for _, policy := range []string{"skip", "keep"} {
			kept[policy] = append(kept[policy], before[0], member{key + ".new", []byte("done\n")})
		}
	}
	for _, why := range slices.Sorted(maps.Keys(times)) {
		if n := times[why] - 10; n > 0 {
			fmt.Fprintf(&more, "shardfs: error: in.tar: %s: %s\n", ui.Count(n, "more failure"), why)
		}
	}
	first, _, _ := strings.Cut(failures.String(), "\n")
	said := failures.String() + more.String()
	for _, workspace := range workspaces(t) {
		for _, tt := range []struct {
			policy, said string
			status       int
		}{
			{"stop", first + "\n", exitFailed}, {"skip", said, exitPartly}, {"keep", said, exitPartly},
		} {
			t.Run(workspace+"/"+tt.policy, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, shard)
				p.must(os.WriteFile(p.path("half.sh"), []byte(halfDone), 0o600))
				out := p.path("out", "out.tar")
				timeout := timeoutFor(p).String()
				said := strings.ReplaceAll(tt.said, "TIMEOUT", timeout)
				r := p.run(fault{}, "run", "-q", "-j", "8", "--workspace", workspace, "--on-error", tt.policy,
					"--timeout", timeout, "in.tar", "-o", out, "--", "sh", p.path("half.sh"))
				if r.hung || r.status != tt.status {
					t.Errorf("exit status %d, want %d", r.status, tt.status)
				}
				if r.stderr != said {
					t.Errorf("messages:\n%s\nwant\n%s", r.stderr, said)
				}
				if tt.policy == "stop" {
					if _, err := os.Lstat(out); err == nil {
						t.Error("an output is published")
					}
				} else if got := membersOf(t, out); !slices.EqualFunc(got, kept[tt.policy], member.equal) {
					t.Errorf("%d members, want %d, or they differ", len(got), len(kept[tt.policy]))
				}
				for _, left := range leftovers(p.dir, p.patient) {
					t.Errorf("left behind: %s", left)
				}
			})
		}
	}
}

func (m member) equal(other member) bool {
	return m.name == other.name && bytes.Equal(m.content, other.content)
}

// TestExitStatuses has a command fail with each possible exit status.
func TestExitStatuses(t *testing.T) {
	p := newPlace(t, someSamples(t, 255, 10))
	var said strings.Builder
	for i := range 255 {
		fmt.Fprintf(&said, "shardfs: error: in.tar: sample %04d: exit status %d\n", i, i+1)
	}
	out := p.path("out", "out.tar")
	r := p.run(fault{}, "run", "-q", "-j", "4", "--on-error", "keep", "-c", "exit $((SAMPLE_INDEX+1))",
		"in.tar", "-o", out)
	in, err := os.ReadFile(p.path("in.tar"))
	p.must(err)
	if got, err := os.ReadFile(out); r.status != exitPartly || r.stderr != said.String() || !bytes.Equal(got, in) {
		t.Errorf("exit status %d, %v, output equal %v, messages:\n%s", r.status, err, bytes.Equal(got, in), r.stderr)
	}
}

// TestHostileCommands has a command do as much damage as it can in one sample. The others must be the same as without
// it.
func TestHostileCommands(t *testing.T) {
	gone := []int{exitPartly} // a sample without a directory has failed
	for _, tt := range []struct {
		name, command string
		needs         string // root, or a program
		statuses      []int  // nil: 0
	}{
		{name: "removes everything", command: `rm -rf -- "$PWD"`, statuses: gone},
		{name: "removes its files", command: `rm -rf -- * .[!.]*`},
		{name: "makes fifos, sockets and links", needs: "python3", command: `
			mkfifo sample.fifo; ln -s /etc/passwd sample.link; ln -s . sample.loop; ln sample.bin sample.hard
			ln -sf /dev/zero sample.txt
			python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sample.sock")'`},
		{name: "makes devices", needs: "root", command: `
			mknod sample.zero c 1 5; mknod sample.disk b 7 0; rm sample.txt; mknod sample.txt c 1 5`},
		{name: "makes a whiteout", needs: "root", command: `
			rm sample.txt; mknod sample.txt c 0 0; mknod sample.new c 0 0; :`},
		{name: "removes all permissions", command: `chmod 000 sample.* . ; chmod 000 ..`},
		{name: "deletes its own directory and continues", command: `
			cd /; rmdir "$OLDPWD" || rm -r "$OLDPWD"; cd "$OLDPWD"; echo x >sample.new; exit 0`,
			statuses: gone},
		{name: "moves its directory away", command: `mv "$PWD" "$PWD-moved"`, statuses: gone},
		{name: "moves its directory out", command: `mv "$PWD" "$TMPDIR/elsewhere"; rm -rf "$TMPDIR/elsewhere"`,
			statuses: gone},
		{name: "replaces its directory by a file", command: `d=$PWD; cd /; rm -r "$d"; echo >"$d"`, statuses: gone},
		{name: "replaces its directory by a link", command: `d=$PWD; cd /; rm -r "$d"; ln -s / "$d"`, statuses: gone},
		{name: "replaces a member by a directory", command: `rm sample.bin; mkdir -p sample.bin/sample.txt/__key__`},
		{name: "takes another sample's key", command: `printf 0001 >__key__`, statuses: []int{exitPartly}},
		{name: "takes an invalid key", command: `printf '../../etc/passwd\0' >__key__`, statuses: []int{exitPartly}},
		{name: "writes a large file", command: `head -c 50000000 /dev/zero >sample.big`},
		{name: "prints a lot", command: `head -c 3000000 /dev/zero; echo no >sample.big`},
		{name: "writes a sparse file", command: `truncate -s 20G sample.sparse; rm sample.sparse`},
		{name: "keeps writing in the background", command: `
			(while :; do echo late >>sample.late; echo late >sample.txt; done) & sleep 0.02`},
		{name: "keeps writing in another session", command: `
			setsid sh -c 'sleep 0.05; echo late >sample.late; sleep 0.05; echo late >sample.bin' >/dev/null 2>&1 &`},
		{name: "keeps a file open in a session", command: `setsid sleep 1000 <sample.bin >/dev/null 2>&1 & sleep 0.05`},
		{name: "kills itself", command: `echo half >sample.txt; kill -SEGV $$`, statuses: []int{exitPartly}},
		{name: "kills its group", command: `echo half >sample.txt; kill -9 0`, statuses: []int{exitPartly}},
		{name: "stops itself and is continued", command: `(sleep 0.05; kill -CONT $$) & kill -STOP $$`},
		{name: "closes all descriptors", command: `exec <&- >&- 2>&-; exit 0`},
		{name: "makes many files", command: fmt.Sprintf("seq -f sample.%%g %d | xargs touch", manyOrFew(10_000, 500))},
		{name: "makes deep directories", command: `
			d=$(printf 'd/%.0s' $(seq 150)); mkdir -p "$d"; cd "$d"; mkdir -p "$d"; :`},
		{name: "makes long names", command: `
			n=$(printf 'n%.0s' $(seq 248)); echo x >sample.$n; mkdir $n; echo x >$n/sample.$n`},
		{name: "makes names that are not UTF-8", command: `echo x >"$(printf 'sample.\377\n\033[2J')"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if os.Geteuid() != 0 && tt.needs == "root" {
				skip.Without(t, "root")
			}
			for _, workspace := range workspaces(t) {
				t.Run(workspace, func(t *testing.T) { hostile(t, workspace, tt.command, tt.statuses) })
			}
		})
	}
}

func hostile(t *testing.T, workspace, command string, statuses []int) {
	t.Parallel()
	p := newPlace(t, someSamples(t, 6, 2000))
	run := func(out, script string) result {
		p.must(os.WriteFile(p.path("script"), []byte(script), 0o600))
		return p.run(fault{}, "run", "-q", "-j", "3", "--workspace", workspace, "--on-error", "skip",
			"in.tar", "-o", p.path("out", out), "--", "sh", "-c", "exec 2>/dev/null; . $WORK/script")
	}
	if r := run("want.tar", "cksum sample.bin >sample.sum"); r.status != 0 {
		t.Fatal(r.stderr)
	}
	r := run("got.tar", "if test $SAMPLE_INDEX = 2; then\n"+command+"\nelse\ncksum sample.bin >sample.sum\nfi")
	p.speaks(r)
	if r.hung || statuses == nil && r.status != 0 || statuses != nil && !slices.Contains(statuses, r.status) {
		t.Errorf("exit status %d, want %v: %s", r.status, statuses, r.stderr)
	}
	// The members of sample 2 are between those of 1 and 3, even under other names.
	others := func(all []member) (first, last []member) {
		is := func(key string) func(member) bool {
			return func(m member) bool { return strings.HasPrefix(m.name, key) && strings.HasSuffix(m.name, ".sum") }
		}
		end := slices.IndexFunc(all, is("0001.")) + 1
		begin := slices.IndexFunc(all, func(m member) bool { return m.name == "0003.bin" })
		if end == 0 || begin < end {
			t.Errorf("samples 1 and 3 are not where they were")
			return nil, nil
		}
		return all[:end], all[begin:]
	}
	if r.status == 0 || r.status == exitPartly {
		wantFirst, wantLast := others(membersOf(t, p.path("out", "want.tar")))
		gotFirst, gotLast := others(membersOf(t, p.path("out", "got.tar")))
		if !slices.EqualFunc(gotFirst, wantFirst, member.equal) || !slices.EqualFunc(gotLast, wantLast, member.equal) {
			t.Error("the other samples are not the same as without it")
		}
	} else if _, err := os.Lstat(p.path("out", "got.tar")); err == nil {
		t.Errorf("exit status %d, and an output is published", r.status)
	}
	// A process in another session may outlive the run, but must not hold files of the mount.
	for _, process := range processes(p.dir) {
		if !strings.Contains(command, "setsid") || process.runs("mount") {
			t.Errorf("left behind: %v", process)
		}
	}
	cleanUp(p.dir)
	for _, left := range leftovers(p.dir, p.patient) {
		t.Errorf("left behind: %s", left)
	}
}
