package runner

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children records which children of this process are commands. As a subreaper this process also adopts strays:
// processes that have left the process group of their command. If it did not reap them, they would stay zombies while
// it runs.
type children struct {
	mu       sync.RWMutex // held for reading while a command is started, so that it is recorded before it can end
	commands sync.Map     // process ids
	looked   atomic.Int64 // time of the last reaping of strays, in nanoseconds since 1970
}

// start records the process that f starts.
func (c *children) start(f func() (pid int, err error)) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	pid, err := f()
	if err == nil {
		c.commands.Store(pid, true)
	}
	return pid, err
}

// gone removes a command that has been reaped.
func (c *children) gone(pid int) { c.commands.Delete(pid) }

// adoptStrays makes this process the new parent of processes that its commands leave.
func adoptStrays() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// strayPause is the minimum time between two rounds of reaping strays. During a round no command can be started.
const strayPause = time.Second

// reapStrays reaps children that have ended, except commands and those that spare accepts.
func (c *children) reapStrays(spare func(pid int) bool) {
	now, last := time.Now().UnixNano(), c.looked.Load()
	if now-last < int64(strayPause) || !c.looked.CompareAndSwap(last, now) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		pid := endedChild()
		if pid == 0 {
			return
		}
		if _, ours := c.commands.Load(pid); ours || spare != nil && spare(pid) {
			return // other code waits for it; the next round finds strays after it
		}
		unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

// endedChild returns the process id of a child that has ended and was not reaped; 0 if there is none.
func endedChild() int {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
	if err != nil || info.Signo == 0 {
		return 0
	}
	return int((*struct {
		_   [16]byte // signal, error, code and padding, as on every 64-bit Linux
		pid int32
	})(unsafe.Pointer(&info)).pid)
}
