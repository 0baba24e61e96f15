package guard

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// metadataSize is the size of struct fanotify_event_metadata.
const metadataSize = 24

// A group is a group of fanotify that is asked before bytes are read through the shard's own mount, while that is marked.
type group struct {
	file *os.File // of fanotify, not blocking
	tree int      // the mount, as a file descriptor

	mu     sync.Mutex
	denies bool          // answers are that nothing may be read
	used   bool          // a file of the mount is open
	told   bool          // by the kernel, whether it is used
	change chan struct{} // has an element after used has changed
}

// newGroup returns a group that is asked nothing, and told when files of the mount are opened and closed.
func newGroup(tree int) (*group, error) {
	// Without a limit of the queue: what does not fit in it would be allowed.
	const flags = unix.FAN_CLASS_CONTENT | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK | unix.FAN_UNLIMITED_QUEUE
	fd, err := unix.FanotifyInit(flags, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fanotify_init", err)
	}
	g := &group{file: os.NewFile(uintptr(fd), "fanotify"), tree: tree, change: make(chan struct{}, 1)}
	if err := g.mark(unix.FAN_MARK_ADD, unix.FAN_OPEN|unix.FAN_CLOSE_NOWRITE); err != nil {
		return nil, errors.Join(err, g.file.Close())
	}
	return g, nil
}

// mark adds events to those of the mount that the group is asked or told about, or removes some.
func (g *group) mark(how uint, events uint64) error {
	conn, err := g.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.FanotifyMark(int(fd), how|unix.FAN_MARK_MOUNT, events, unix.AT_FDCWD, path(g.tree))
	})
	return errors.Join(err, os.NewSyscallError("fanotify_mark", failed))
}

// ask has the kernel ask the group before each read.
func (g *group) ask() error { return g.mark(unix.FAN_MARK_ADD, unix.FAN_ACCESS_PERM) }

// relax ends that the kernel asks. It returns false, and the kernel still asks, if reads are denied.
func (g *group) relax() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.denies {
		return false
	}
	err := g.mark(unix.FAN_MARK_REMOVE, unix.FAN_ACCESS_PERM)
	return err == nil || errors.Is(err, unix.ENOENT) // it does not ask
}

// deny denies all reads that begin from now on.
func (g *group) deny() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.denies = true
	return g.ask()
}

// run answers until the group is closed.
func (g *group) run() {
	conn, err := g.file.SyscallConn()
	if err == nil {
		conn.Read(func(fd uintptr) bool {
			g.answer(int(fd))
			return false // until there is more
		})
	}
}

// isUsed answers what is asked, and reports whether a file of the mount is open.
func (g *group) isUsed() bool {
	conn, err := g.file.SyscallConn()
	if err == nil {
		conn.Control(func(fd uintptr) { g.answer(int(fd)) })
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used
}

// setUsed says whether a file of the mount is open, which the group cannot know if that was opened before it began. What
// the kernel has told since is newer.
func (g *group) setUsed(used bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.told {
		g.used = used
	}
}

// answer handles all events that there are.
func (g *group) answer(fd int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var buf [4096]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
			errors.Is(err, unix.ENOMEM) {
			continue // the kernel has dropped an event, which denies it
		}
		if err != nil || n <= 0 {
			return
		}
		for b := buf[:n]; len(b) >= metadataSize; {
			g.handle(fd, binary.NativeEndian.Uint64(b[8:]), int32(binary.NativeEndian.Uint32(b[16:])))
			b = b[min(len(b), max(metadataSize, int(binary.NativeEndian.Uint32(b)))):]
		}
	}
}

// handle handles one event, about the open file of the number file.
func (g *group) handle(fd int, events uint64, file int32) {
	if events&unix.FAN_ACCESS_PERM != 0 {
		answer := uint32(unix.FAN_ALLOW)
		if g.denies {
			answer = unix.FAN_DENY
		}
		var b [8]byte
		binary.NativeEndian.PutUint32(b[:], uint32(file))
		binary.NativeEndian.PutUint32(b[4:], answer)
		unix.Write(fd, b[:])
	}
	if file >= 0 {
		unix.Close(int(file))
	}
	if events&(unix.FAN_OPEN|unix.FAN_CLOSE_NOWRITE) != 0 {
		g.told = true
		g.used = events&unix.FAN_CLOSE_NOWRITE == 0 // one event for both is of a file that was opened and closed
		select {
		case g.change <- struct{}{}:
		default:
		}
	}
}

// close closes the group. What it is being asked is allowed.
func (g *group) close() error { return g.file.Close() }
