package main

import (
	"fmt"
	"os"
	"testing"
)

// way is how a run that is swept works: each breaks in places of its own.
type way struct {
	workspace string
	out       string
	resumed   bool // it has a scratch of its own, and goes on with --resume
}

func (w way) String() string {
	name := w.workspace + "/" + w.out
	if w.resumed {
		name += "/resumed"
	}
	return name
}

// ways are those that can be had here, with neighbours as different as can be.
func ways(t *testing.T) (all []way) {
	names, spaces := []string{"out.tar", "out.tar.gz", "out.tar.zst"}, workspaces(t)
	for i := range 2 * len(names) * len(spaces) {
		all = append(all, way{spaces[i%len(spaces)], names[i%len(names)], i%4 >= 2})
	}
	return all
}

// swept is a run that is broken at one system call after the other, until it comes to its end undisturbed.
type swept struct {
	*place
	way
	whole []byte // what it writes
	tree  string // what it leaves
}

func newSwept(t *testing.T, how way) *swept {
	t.Helper()
	w := &swept{place: newPlace(t, someSamples(t, 6, 3000)), way: how}
	if r := w.run(fault{}, w.command(false)...); r.status != 0 {
		t.Fatalf("without a fault: exit status %d: %s", r.status, r.stderr)
	}
	var err error
	w.whole, err = os.ReadFile(w.path("out", how.out))
	w.must(err)
	w.tree = w.place.tree()
	return w
}

// command returns the run's command line. The command in it reads, writes and deletes, and tells if it could not.
func (w *swept) command(again bool) []string {
	run := []string{"run", "-q", "-j", "2", "--workspace", w.workspace, "-c", "cksum sample.bin >sample.sum && rm sample.txt"}
	if w.resumed {
		run = append(run, "--scratch", "scratch")
	}
	if w.resumed && again {
		run = append(run, "--resume")
	}
	return append(run, "in.tar", "-o", w.path("out", w.out))
}

// at breaks the run at the nth call, looks, and goes on. It returns how often the fault struck.
func (w *swept) at(h harm, nth int) int {
	w.t.Helper()
	var before []byte
	files := map[string][]byte{}
	if nth%2 == 0 {
		before = []byte("what was there before")
		files[w.out] = before
	}
	w.reset(files)
	kept := promise{out: w.path("out", w.out), whole: w.whole, before: before, statuses: []int{exitFailed, exitIO, exitTemporary}}
	if w.resumed {
		kept.statuses = append(kept.statuses, exitUsage) // whatever keeps a scratch from being opened is taken for a wrong name
	}
	f := fault{inject: fmt.Sprintf("%s:%s:when=%d", h.calls, h.what, nth), only: w.workspace == "dir"}
	if h.path != "" {
		f.paths = []string{w.path(h.path), w.path("out", w.out)}
	}
	r := w.run(f, w.command(false)...)
	if r.fired < 0 {
		return r.fired
	}
	w.keeps(r, kept)
	if r.fired == 0 && r.status != 0 {
		w.t.Errorf("undisturbed, exit status %d: %s", r.status, r.stderr)
	}
	w.gone()
	w.age()
	again := w.run(fault{}, w.command(true)...)
	if w.keeps(again, kept); again.status != 0 {
		w.t.Errorf("after exit status %d (%s), again: exit status %d: %s", r.status, r.stderr, again.status, again.stderr)
	}
	w.clean(w.tree)
	return r.fired
}

// sweep breaks the run at every call of a kind, or without -long at some. It returns at how many.
func (w *swept) sweep(h harm) (points int) {
	for nth, missed := 1, 0; missed < manyOrFew(2, 1); {
		ok := true
		// What fails is named by its place in the sweep, which is also how to repeat it.
		w.t.Run(fmt.Sprintf("%s/%s/%d", h.calls, h.what, nth), func(t *testing.T) {
			at := *w
			at.place = &place{t, w.dir, w.program}
			switch fired := at.at(h, nth); {
			case fired > 0:
				points++
			case fired == 0:
				ok = false
			}
		})
		if !ok {
			missed++ // another thread may have more calls yet
		}
		nth = manyOrFew(nth+1, 4*nth)
	}
	return points
}

// harm is what becomes of system calls.
type harm struct {
	calls, what string
	path        string // only if it is about this file or directory; "" for any
}

// TestKillSweep kills a run at each of the system calls that change something. At some that change nothing, too: strace counts
// by thread, and the first calls of the thread that does the work hide behind those of the runtime's.
func TestKillSweep(t *testing.T) {
	var all []harm
	for _, calls := range []string{
		"write,pwrite64", "fsync,fdatasync", "renameat,renameat2,linkat", "openat", "unlinkat", "mkdirat", "copy_file_range",
		"newfstatat", "flock,ftruncate,utimensat",
	} {
		all = append(all, harm{calls, "signal=SIGKILL", ""})
	}
	sweepAll(t, manyOrFew(200, 15), 2, all)
}

// TestErrorSweep lets each system call fail in the ways that it can.
func TestErrorSweep(t *testing.T) {
	var all []harm
	for _, e := range []struct {
		errno string
		calls []string
	}{
		{"EIO", []string{"openat", "write", "pread64", "fsync", "renameat", "copy_file_range", "mkdirat", "unlinkat", "read", "getdents64", "fstat"}},
		{"ENOSPC", []string{"openat", "write", "fsync", "renameat", "copy_file_range", "mkdirat"}},
		{"EDQUOT", []string{"openat", "write", "fsync", "renameat", "copy_file_range", "mkdirat"}},
		{"EMFILE", []string{"openat"}},
		{"EINTR", []string{"openat", "write", "pread64", "read", "copy_file_range"}},
	} {
		for _, call := range e.calls {
			all = append(all, harm{call, "error=" + e.errno, ""})
		}
		if e.errno == "EIO" || e.errno == "EDQUOT" {
			// Of the output only: strace lets a close fail without closing, which no kernel does, and whoever waits for the
			// other end of a pipe would wait for good.
			all = append(all, harm{"close", "error=" + e.errno, "out"})
		}
	}
	sweepAll(t, manyOrFew(1000, 15), 4, all)
}

// sweepAll sweeps each of these harms in every nth of the ways that there are; without -long, some points of a dozen harms in
// one way each. It fails if less than so many points were struck, for then it proves nothing.
func sweepAll(t *testing.T, atLeast, every int, all []harm) {
	needsStrace(t)
	points, them := 0, ways(t)
	for i, how := range them {
		t.Run(how.String(), func(t *testing.T) {
			w := newSwept(t, how)
			for j, h := range all {
				if *long && (i+j)%every == 0 || i == j {
					points += w.sweep(h)
				}
			}
		})
	}
	t.Logf("%d points", points)
	if points < atLeast && !t.Failed() {
		t.Errorf("the fault struck at %d points, want at least %d", points, atLeast)
	}
}
