package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// errGone is wrapped by the error of a job whose directory is not there when its command is about to start: another
// command, or another user, has removed or replaced it.
var errGone = errors.New("the directory is gone")

// entrance is a directory that a child can enter.
type entrance struct {
	dir string // for chdir, in this process or a child
	fd  int    // the directory, if dir refers to it; else -1
}

// enter returns the entrance to a place. A directory that other users can change, or whose path is too long for a system
// call, is opened here, component by component, and entered through its descriptor.
func (p *Place) enter() (entrance, error) {
	if p.Within == "" && len(p.Dir) < unix.PathMax {
		return entrance{p.Dir, -1}, nil
	}
	base, flags := p.Within, unix.O_NOFOLLOW
	if base == "" {
		base, flags = "/", 0
	}
	fd, err := openStepwise(base, strings.TrimPrefix(p.Dir, base), flags)
	if err != nil {
		return entrance{}, p.goneError(err)
	}
	e := entrance{fmt.Sprintf("/proc/self/fd/%d", fd), fd}
	if err := unix.Access(e.dir, unix.F_OK); err != nil && len(p.Dir) < unix.PathMax { // there is no /proc
		e.dir = p.Dir
	}
	return e, nil
}

// openStepwise opens the directory at a path below base, which may be longer than a system call accepts.
func openStepwise(base, path string, flags int) (int, error) {
	flags |= unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	dir, err := unix.Open(base, flags&^unix.O_NOFOLLOW, 0)
	for name := range strings.SplitSeq(path, "/") {
		if err != nil || name == "" {
			continue
		}
		next, openErr := unix.Openat(dir, name, flags, 0)
		unix.Close(dir)
		dir, err = next, openErr
	}
	return dir, err
}

// goneError returns the error for a directory that cannot be entered because of err.
func (p *Place) goneError(err error) error {
	for _, gone := range []error{fs.ErrNotExist, unix.ENOTDIR, unix.ELOOP} {
		if errors.Is(err, gone) {
			err = errGone
		}
	}
	return fmt.Errorf("%.200s: %w", p.Dir, err)
}

// close closes the entrance, when the child has entered.
func (e *entrance) close() {
	if e.fd >= 0 {
		unix.Close(e.fd)
	}
}
