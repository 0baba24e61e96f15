package guard

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"
)

// How long awaitReads waits.
const (
	running  = 40 * time.Millisecond // for reads that do not wait for anything
	unknown  = 60 * time.Millisecond // longer, where the kernel does not tell what threads are doing
	between  = 5 * time.Millisecond  // from one look at the threads to the next
	atLength = 30 * time.Second      // at most, for the disk: soon the kernel lets the opener go on by itself
)

// reader is a part of the names of the kernel's functions that are on the stack of a thread while it reads for EROFS, and
// asking of those that are while fanotify is being asked.
const (
	reader = "erofs_fileio"
	asking = "fanotify_"
)

// awaitReads returns when reads have ended that had been allowed before it was called. Those that run have ended
// after a short while, and the stacks of the others, which wait for a disk or a CPU, show what they are doing.
func awaitReads(ctx context.Context) {
	if !sleep(ctx, running) {
		return
	}
	if _, err := os.ReadFile("/proc/self/stack"); err != nil {
		sleep(ctx, unknown)
		return
	}
	for start := time.Now(); time.Since(start) < atLength && isReading(reader); {
		if !sleep(ctx, between) {
			return
		}
	}
}

// isReading reports whether a thread that is not running executes a function of the kernel that has the text in its name,
// and has not asked fanotify.
func isReading(function string) bool {
	processes, _ := os.ReadDir("/proc")
	for _, p := range processes {
		if name := p.Name(); name[0] < '0' || name[0] > '9' {
			continue
		}
		threads, _ := os.ReadDir(filepath.Join("/proc", p.Name(), "task")) // none, if it has ended
		for _, t := range threads {
			stack, _ := os.ReadFile(filepath.Join("/proc", p.Name(), "task", t.Name(), "stack"))
			if bytes.Contains(stack, []byte(function)) && !bytes.Contains(stack, []byte(asking)) {
				return true
			}
		}
	}
	return false
}
