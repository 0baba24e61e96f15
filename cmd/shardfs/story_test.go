package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// limitKey is the key, in a story's environment, of the time.Duration after which its watchdog kills its processes.
type limitKey struct{}

// waitFor polls until cond returns true, for half of the watchdog's limit, so that a story that waits in vain reports
// what it has waited for.
func waitFor(ts *testscript.TestScript, cond func() bool, what string, args ...any) {
	limit := ts.Value(limitKey{}).(time.Duration) / 2
	for start := time.Now(); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > limit {
			ts.Fatalf("waited %v for %s", limit.Round(time.Second), fmt.Sprintf(what, args...))
		}
	}
}

// status checks the exit status of the shardfs process that ended last:
//
//	status 3
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: status N")
	}
	file := ts.Getenv(statusVariable)
	got, err := os.ReadFile(file)
	ts.Check(err)
	ts.Check(os.Remove(file)) // a shardfs that is killed later writes none
	if string(got) != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// eventually runs a command until it succeeds; with !, until it fails:
//
//	eventually test -e ready
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: [!] eventually COMMAND [ARG...]")
	}
	waitFor(ts, func() bool {
		return (ts.Exec(args[0], args[1:]...) != nil) == neg
	}, "%q; is to fail: %t", args, neg)
}

// running returns the shardfs processes of the story that run a verb. The server of a mount is one that runs mount.
func running(ts *testscript.TestScript, verb string) (found []process) {
	for _, p := range processes(ts.Getenv("WORK")) {
		if p.runs(verb) {
			found = append(found, p)
		}
	}
	return found
}

// pid sets PID to the process ID of the only shardfs that runs a verb:
//
//	pid mount
//	exec readlink /proc/$PID/cwd
func pid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pid VERB")
	}
	var found []process
	waitFor(ts, func() bool { // between fork and exec, a command looks like the process that starts it
		found = running(ts, args[0])
		return len(found) == 1
	}, "one process that runs %s", args[0])
	ts.Setenv("PID", strconv.Itoa(found[0].pid))
}

// send sends a signal to every shardfs that runs a verb. After KILL it waits until they have ended:
//
//	send KILL mount
func send(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || unix.SignalNum("SIG"+args[0]) == 0 {
		ts.Fatalf("usage: send SIGNAL VERB")
	}
	found := running(ts, args[1])
	if len(found) == 0 {
		ts.Fatalf("no process runs %s", args[1])
	}
	for _, p := range found {
		// One of them may end the others.
		if err := unix.Kill(p.pid, unix.SignalNum("SIG"+args[0])); err != unix.ESRCH {
			ts.Check(err)
		}
	}
	for _, p := range found {
		if args[0] == "KILL" {
			waitFor(ts, p.dead, "the end of process %d", p.pid)
		}
	}
}

// ended waits until no shardfs runs a verb:
//
//	ended mount
func ended(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ended VERB")
	}
	waitFor(ts, func() bool { return len(running(ts, args[0])) == 0 }, "the end of every shardfs %s", args[0])
}

// blocked waits until a program that the story has started sleeps in the kernel, in a function whose name contains a
// word, and was not woken between two polls. Unlike a sleep, this proves that the program is waiting:
//
//	blocked cat request_wait  # for the answer of a FUSE server
//	blocked cat pipe_write    # for a reader
func blocked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: blocked PROGRAM WORD")
	}
	before := map[string]bool{}
	waitFor(ts, func() bool {
		now := map[string]bool{}
		for _, p := range processes(ts.Getenv("WORK")) {
			if filepath.Base(p.args[0]) != args[0] {
				continue
			}
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.pid))
			for _, thread := range threads {
				where, _ := os.ReadFile(filepath.Join(thread, "wchan"))
				status, _ := os.ReadFile(filepath.Join(thread, "status"))
				_, switches, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
				if strings.Contains(string(where), args[1]) {
					now[thread+switches] = true
				}
			}
		}
		for thread := range now {
			if before[thread] {
				return true
			}
		}
		before = now
		return false
	}, "a %s that sleeps in %s", args[0], args[1])
}

// watchKey is the key, in a story's environment, of an *int: the inotify descriptor of watch.
type watchKey struct{}

// watch starts watching a file, and opened waits until the file has been opened since:
//
//	watch FILE
//	opened
func watch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: watch FILE")
	}
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%d files are named %s", len(names), args[0])
	}
	fd := ts.Value(watchKey{}).(*int)
	*fd, err = unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	ts.Check(err)
	ts.Defer(func() { unix.Close(*fd) })
	_, err = unix.InotifyAddWatch(*fd, names[0], unix.IN_OPEN)
	ts.Check(err)
}

func opened(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: opened")
	}
	waitFor(ts, func() bool {
		n, err := unix.Read(*ts.Value(watchKey{}).(*int), make([]byte, 4096))
		return err == nil && n > 0
	}, "a process to open the watched file")
}

// jsonLines checks that each line of a file is a JSON object with the given fields:
//
//	jsonlines stdout key index members
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: jsonlines FILE [FIELD...]")
	}
	text := ts.ReadFile(args[0])
	if text == "" || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s: no lines", args[0])
	}
	for line := range strings.Lines(text) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("%s: %v", line, err)
		}
		for _, field := range args[1:] {
			if _, ok := object[field]; !ok {
				ts.Fatalf("%s: no field %q", line, field)
			}
		}
	}
}

// fits checks that a text has at most that many lines and columns:
//
//	fits 40 120 stdout
func fits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: fits LINES COLUMNS FILE")
	}
	height, err := strconv.Atoi(args[0])
	ts.Check(err)
	width, err := strconv.Atoi(args[1])
	ts.Check(err)
	lines := slices.Collect(strings.Lines(ts.ReadFile(args[2])))
	if len(lines) > height {
		ts.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
			ts.Fatalf("%d columns: %s", n, line)
		}
	}
}
