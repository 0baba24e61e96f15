package mounts

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/scratch"
)

// scratchOf opens the scratch directory of a mount. If it is not where it was when it was mounted, because it was
// renamed or this process sees other directories, the server of the mount leads to it.
func scratchOf(m Mount) (*scratch.Scratch, error) {
	s, err := scratch.Open(m.Source)
	if err == nil && (s.Device() == m.Device || s.Device() == "") { // none: mounted by an earlier version
		return s, nil
	}
	if server, ok := serverOf(m.Device); ok {
		server.close()
		return server.scratch, nil
	}
	if err == nil {
		err = fmt.Errorf("%s: of another mount: %w", m.Source, fs.ErrNotExist)
	}
	return nil, err
}

// process is a process that serves a mount.
type process struct {
	dir     string // in /proc
	scratch *scratch.Scratch
	fd      int // by which it is sent signals
}

// serverOf finds the process that serves the mount of a device: it holds the lock of a scratch directory that has this
// device, and works in that directory. A process of another user is not found. The caller closes the process.
func serverOf(device string) (p *process, ok bool) {
	for _, dir := range processes() {
		lock, serves := "", false
		files, _ := os.ReadDir(dir + "/fd")
		for _, file := range files {
			fd := filepath.Join(dir, "fd", file.Name())
			switch target, _ := os.Readlink(fd); {
			case target == "/dev/fuse":
				serves = true
			case filepath.Base(target) == scratch.LockFile:
				lock = fd
			}
		}
		if !serves || lock == "" {
			continue
		}
		// The path to the directory may be one that only that process can use. The link in /proc can always be followed.
		in, _ := os.Readlink(dir + "/cwd")
		if !sameFile(in, dir+"/cwd/.") {
			in = dir + "/cwd/."
		}
		s, err := scratch.Open(in)
		if err != nil || s.Device() != device || !sameFile(lock, filepath.Join(in, scratch.LockFile)) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			return &process{dir, s, fd}, true
		}
	}
	return nil, false
}

// heldShard returns a path, valid while the server of a mount runs, that leads to the local shard that the server has
// open, whatever the shard is called now.
func heldShard(m Mount, s *scratch.Scratch) (name string, ok bool) {
	p, ok := serverOf(m.Device)
	if !ok {
		return "", false
	}
	defer p.close()
	files, _ := os.ReadDir(p.dir + "/fd")
	for _, file := range files {
		if name = filepath.Join(p.dir, "fd", file.Name()); s.IsShard(name) {
			return name, true
		}
	}
	return "", false
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// sees reports whether a place of a mount is left in the mount namespace of the process.
func (p *process) sees(m Mount) bool { return len(placesOf(newNamespaces(m.Device).of(p.dir), m)) > 0 }

func (p *process) close() { unix.Close(p.fd) }

// terminate tells the process to end, and waits until it has ended, so that it uses neither the scratch directory nor
// the file system of that.
func (p *process) terminate() error {
	if err := unix.PidfdSendSignal(p.fd, unix.SIGTERM, nil, 0); err != nil && err != unix.ESRCH {
		return err
	}
	deadline := time.Now().Add(10 * time.Second)
	for left := time.Until(deadline); left > 0; left = time.Until(deadline) {
		ended, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if ended > 0 || err != nil && err != unix.EINTR {
			return err
		}
	}
	return fmt.Errorf("%s: %w: unmounted, but its server has not ended", p.scratch.Dir, scratch.ErrInUse)
}
