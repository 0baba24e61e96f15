// Package mountthread mounts file systems over files that this process itself serves.
package mountthread

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// WithoutConnections calls f on a new thread that does not hold the process's FUSE connections (open /dev/fuse files).
//
// To mount a file system over another one sends requests to that. If this process serves that and is killed at that moment,
// the thread that waits for the answer cannot be killed; if it also held the connection, the kernel would not know that
// no answer will come, and the process would never end.
func WithoutConnections(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- WithoutConnections(f) // on another thread, because the main thread cannot end
			return
		}
		err := unix.Unshare(unix.CLONE_FILES)
		if err == nil {
			err = closeConnections()
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// closeConnections closes the file descriptors of the calling thread that refer to /dev/fuse.
func closeConnections() error {
	const dir = "/proc/thread-self/fd"
	fds, err := os.ReadDir(dir)
	for _, fd := range fds {
		if to, _ := os.Readlink(filepath.Join(dir, fd.Name())); to != "/dev/fuse" {
			continue
		}
		n, _ := strconv.Atoi(fd.Name())
		err = errors.Join(err, unix.Close(n))
	}
	return err
}
