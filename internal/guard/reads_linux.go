package guard

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// How long awaitReads waits.
const (
	running  = 40 * time.Millisecond // for reads that do not wait for anything
	unknown  = 60 * time.Millisecond // longer, where the kernel does not tell what threads are doing
	between  = 5 * time.Millisecond  // from one look at the threads to the next
	looks    = 3                     // at all threads
	atLength = 30 * time.Second      // at most, for the disk: soon the kernel lets the opener go on by itself
)

// reader is a part of the names of the kernel's functions that are on the stack of a thread while it reads for EROFS, and
// asking of those that are while fanotify is being asked.
const (
	reader = "erofs_fileio"
	asking = "fanotify_"
)

// awaitReads returns when reads have ended that had been allowed before it was called. Those that run have ended
// after a short while, and the stacks of the others, which wait for a disk or a CPU, show what they are doing. A thread that
// is then seen doing something else has ended its read: it may go on with one of a file that is not denied.
func awaitReads(ctx context.Context) {
	if !sleep(ctx, running) {
		return
	}
	if _, err := os.ReadFile("/proc/self/stack"); err != nil {
		sleep(ctx, unknown)
		return
	}
	start := time.Now()
	threads := executing(reader)
	for look := 1; len(threads) > 0 && time.Since(start) < atLength; look++ {
		if !sleep(ctx, between) {
			return
		}
		maps.DeleteFunc(threads, func(stack string, _ bool) bool { return !isExecuting(stack, reader) })
		if look < looks {
			maps.Copy(threads, executing(reader)) // those that were not seen because they ran
		}
	}
}

// executing returns the files that show the stacks of threads that execute a function of the kernel that has the text in
// its name, and do not ask fanotify. A thread that is running is not among them.
func executing(function string) map[string]bool {
	all := make(map[string]bool)
	processes, _ := os.ReadDir("/proc")
	for _, p := range processes {
		if name := p.Name(); name[0] < '0' || name[0] > '9' {
			continue
		}
		threads, _ := os.ReadDir(filepath.Join("/proc", p.Name(), "task")) // none, if it has ended
		for _, t := range threads {
			if stack := filepath.Join("/proc", p.Name(), "task", t.Name(), "stack"); isExecuting(stack, function) {
				all[stack] = true
			}
		}
	}
	return all
}

// isExecuting reports whether a thread is one of those of executing.
func isExecuting(stack, function string) bool {
	b, _ := os.ReadFile(stack)
	return bytes.Contains(b, []byte(function)) && !bytes.Contains(b, []byte(asking))
}
