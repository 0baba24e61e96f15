package main

import (
	"fmt"
	"testing"
)

// at runs with a fault at the nth call, checks the result, and runs again. It returns how often the fault occurred.
func (w *swept) at(h harm, nth int, how way) int {
	w.t.Helper()
	var before []byte
	files := map[string][]byte{}
	if nth%2 == 0 {
		before = []byte("what was there before")
		files[w.out] = before
	}
	w.reset(files)
	kept := promise{out: w.path("out", w.out), whole: w.whole, before: before,
		statuses: []int{exitFailed, exitIO, exitTemporary}}
	f := fault{inject: fmt.Sprintf("%s:%s:when=%d", h.call, h.what, nth), only: w.workspace == "dir"}
	if h.path != "" {
		f.paths = []string{w.path(h.path), w.path("out", w.out)}
	}
	return w.breaks(f, kept, how)
}

// sweep runs with a fault at every call of one kind, or without -long at some of them. It returns at how many calls the
// fault occurred.
func (w *swept) sweep(h harm, how way) (points int) {
	for nth, missed := 1, 0; missed < manyOrFew(2, 1); {
		ok := true
		// The name of the subtest has the number of the call, with which a failure can be repeated.
		w.t.Run(fmt.Sprintf("%s/%s/%d", h.call, h.what, nth), func(t *testing.T) {
			at := *w
			at.place = w.place.as(t)
			switch fired := at.at(h, nth, how); {
			case fired > 0:
				points++
			case fired == 0:
				ok = false
			}
		})
		if !ok {
			missed++ // another thread may have more calls yet
		}
		nth = manyOrFew(nth+1, 8*nth)
	}
	return points
}

// TestKillSweep kills a run at each system call that changes something. It also kills it at some that change nothing:
// strace counts by thread, and the first openat calls of a thread are those of the Go runtime.
func TestKillSweep(t *testing.T) {
	var kills []harm
	for _, call := range []string{
		"write", "fsync", "renameat", "mkdirat", "unlinkat", "openat", "copy_file_range", "newfstatat",
		"flock", "pwrite64",
		"renameat2", "fdatasync", "linkat",
	} {
		kills = append(kills, harm{call, "signal=SIGKILL", ""})
	}
	sweepAll(t, manyOrFew(200, 6), kills)
}

// TestErrorSweep makes each system call fail in the ways that it can.
func TestErrorSweep(t *testing.T) {
	var all []harm
	// Close fails only for the output: strace makes it fail without closing the file, which no kernel does, and a
	// process that waits for the other end of a pipe would wait forever.
	for _, e := range []string{"EIO", "EDQUOT"} {
		all = append(all, harm{"close", "error=" + e, "out"})
	}
	for _, c := range []struct {
		call   string
		errors []string
	}{
		{"openat", []string{"EIO", "EMFILE", "ENOSPC", "EINTR"}},
		{"write", []string{"ENOSPC", "EIO", "EDQUOT", "EINTR"}},
		{"pread64", []string{"EIO", "EINTR"}},
		{"fsync", []string{"EIO", "ENOSPC", "EDQUOT"}},
		{"renameat", []string{"EIO", "ENOSPC", "EDQUOT"}},
		{"copy_file_range", []string{"EIO", "ENOSPC", "EINTR"}},
		{"mkdirat", []string{"ENOSPC", "EIO", "EDQUOT"}},
		{"unlinkat", []string{"EIO"}},
		{"read", []string{"EIO", "EINTR"}},
		{"getdents64", []string{"EIO"}},
		{"fstat", []string{"EIO"}},
		{"pwrite64", []string{"ENOSPC", "EIO"}},
	} {
		for _, e := range c.errors {
			all = append(all, harm{c.call, "error=" + e, ""})
		}
	}
	sweepAll(t, manyOrFew(1000, 12), all)
}

// harm is a fault in one kind of system call.
type harm struct {
	call, what string
	path       string // only if it is about this file or directory; "" for any
}

// sweepAll sweeps every setting with every harm, or without -long one setting per harm in turn. It fails if the faults
// occurred at fewer than atLeast calls, because it then proves nothing.
func sweepAll(t *testing.T, atLeast int, all []harm) {
	needsStrace(t)
	points := 0
	t.Run("settings", func(t *testing.T) {
		them := settingsHere(t)
		for i, s := range them {
			for k, how := range ways {
				t.Run(s.String()+"/"+how.name, func(t *testing.T) {
					w := newSwept(t, s, 6)
					for j, h := range all {
						if *long || j%(len(them)*len(ways)) == i*len(ways)+k {
							points += w.sweep(h, how)
						}
					}
				})
			}
		}
	})
	t.Logf("%d points", points)
	if points < atLeast && !t.Failed() {
		t.Errorf("the fault occurred at %d points, want at least %d", points, atLeast)
	}
}
