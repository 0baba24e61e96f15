package guard

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// metadataSize is the size of struct fanotify_event_metadata.
const metadataSize = 24

// A group is a group of fanotify that is asked before bytes of a file are read through the file's own mount, while that is
// marked.
type group struct {
	file *os.File // of fanotify, not blocking

	mu     sync.Mutex
	files  []watched
	byID   map[fileID][]int // places in files; two if it is there twice
	change chan struct{}    // has an element after a file was opened or closed
}

// watched is a file of a group.
type watched struct {
	tree   int  // its mount, as a file descriptor
	denies bool // answers are that nothing may be read
	used   bool // it is open in that mount
	told   bool // by the kernel, whether it is used
}

// newGroup returns a group for files that have these mounts. It is asked nothing, and told when they are opened and closed
// there.
func newGroup(trees []int) (*group, error) {
	// Without a limit of the queue: what does not fit in it would be allowed.
	const flags = unix.FAN_CLASS_CONTENT | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK | unix.FAN_UNLIMITED_QUEUE |
		unix.FAN_UNLIMITED_MARKS
	fd, err := unix.FanotifyInit(flags, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fanotify_init", err)
	}
	g := &group{
		file: os.NewFile(uintptr(fd), "fanotify"), byID: make(map[fileID][]int), change: make(chan struct{}, 1),
	}
	for i, tree := range trees {
		id, err := idOf(tree)
		g.byID[id] = append(g.byID[id], i)
		g.files = append(g.files, watched{tree: tree})
		if err == nil {
			err = g.mark(i, unix.FAN_MARK_ADD, unix.FAN_OPEN|unix.FAN_CLOSE_NOWRITE)
		}
		if err != nil {
			return nil, errors.Join(err, g.file.Close())
		}
	}
	return g, nil
}

// mark adds events to those of the mount of file i that the group is asked or told about, or removes some.
func (g *group) mark(i int, how uint, events uint64) error {
	conn, err := g.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.FanotifyMark(int(fd), how|unix.FAN_MARK_MOUNT, events, unix.AT_FDCWD, path(g.files[i].tree))
	})
	return errors.Join(err, os.NewSyscallError("fanotify_mark", failed))
}

// ask has the kernel ask the group before each read of file i.
func (g *group) ask(i int) error { return g.mark(i, unix.FAN_MARK_ADD, unix.FAN_ACCESS_PERM) }

// askAll has the kernel ask the group before each read of any file.
func (g *group) askAll() error {
	for i := range g.files {
		if err := g.ask(i); err != nil {
			return err
		}
	}
	return nil
}

// relax ends that the kernel asks. It returns false if reads of a file are denied, of which the kernel still asks.
func (g *group) relax() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, f := range g.files {
		if f.denies {
			return false
		}
		err := g.mark(i, unix.FAN_MARK_REMOVE, unix.FAN_ACCESS_PERM)
		if err != nil && !errors.Is(err, unix.ENOENT) { // that it does not ask
			return false
		}
	}
	return true
}

// deny denies all reads of these files that begin from now on.
func (g *group) deny(files []int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range files {
		g.files[i].denies = true
		if err := g.ask(i); err != nil {
			return err
		}
	}
	return nil
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

// used answers what is asked, and returns which files are open in their mounts.
func (g *group) used() (files []int) {
	conn, err := g.file.SyscallConn()
	if err == nil {
		conn.Control(func(fd uintptr) { g.answer(int(fd)) })
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, f := range g.files {
		if f.used {
			files = append(files, i)
		}
	}
	return files
}

// setUsed says which files are open in their mounts, which the group cannot know of those that were opened before it
// began. What the kernel has told since is newer.
func (g *group) setUsed(files []int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.files {
		if f := &g.files[i]; !f.told {
			f.used = slices.Contains(files, i)
		}
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
	var of []int
	if id, err := idOf(int(file)); err == nil {
		of = g.byID[id]
	}
	if events&unix.FAN_ACCESS_PERM != 0 {
		answer := uint32(unix.FAN_ALLOW)
		if len(of) == 0 || slices.ContainsFunc(of, func(i int) bool { return g.files[i].denies }) {
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
	if events&(unix.FAN_OPEN|unix.FAN_CLOSE_NOWRITE) == 0 {
		return
	}
	for _, i := range of {
		f := &g.files[i]
		f.told = true
		f.used = events&unix.FAN_CLOSE_NOWRITE == 0 // one event for both is of a file that was opened and closed
	}
	select {
	case g.change <- struct{}{}:
	default:
	}
}

// close closes the group. What it is being asked is allowed.
func (g *group) close() error { return g.file.Close() }
