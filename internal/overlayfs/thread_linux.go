package overlayfs

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// withoutConnections calls f on a thread of its own that does not hold the process's connections to the kernel's FUSE.
//
// Overlayfs asks the lower file system when it is mounted. If this process serves that one and is killed at that
// moment, a thread that waits for an answer cannot be killed; if it also held the connection, the kernel would not
// learn that no answer will come, and the process would stay for good.
func withoutConnections(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- withoutConnections(f) // on another thread, as the main one cannot end
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

// closeConnections closes those descriptors of the calling thread that are open on /dev/fuse.
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
