package scratch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

// The process that holds a scratch directory has locked its lock file. Where the file system has no locks, the lock
// file names the process instead: its number, when it was started, and in which boot of the machine. That keeps out
// other processes of this machine, unless two begin at the same moment.

// hold takes the lock file, or returns ErrInUse. Create says that it is made if it is missing. Else the error is then
// fs.ErrNotExist; so it is if the process that has held the directory has removed the file.
func (s *Scratch) hold(create bool) error {
	flags := os.O_RDWR | unix.O_NOFOLLOW
	if create {
		flags |= os.O_CREATE
	}
	var err error
	if s.lock, err = os.OpenFile(s.path(LockFile), flags, 0o600); err != nil {
		return err
	}
	named, err := atomicfile.Lock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil && !named {
		err = fs.ErrNotExist
	}
	if err == unix.EWOULDBLOCK || err != fs.ErrNotExist && namesLiving(s.lock) {
		s.lock.Close()
		s.lock = nil
		return fmt.Errorf("%s: %w", s.Dir, ErrInUse)
	}
	if errors.Is(err, atomicfile.ErrNoLocks) {
		s.weak = fmt.Sprintf("%v: another machine must not use the directory at the same time", err)
		s.named = true
		if err = s.lock.Truncate(0); err == nil {
			_, err = s.lock.WriteAt([]byte(identity(os.Getpid())), 0)
		}
	}
	if err != nil {
		return errors.Join(err, s.release())
	}
	return nil
}

// release gives up the lock file.
func (s *Scratch) release() error {
	if s.lock == nil {
		return nil
	}
	var err error
	if s.named {
		err = s.lock.Truncate(0)
	}
	return errors.Join(err, s.lock.Close())
}

// Weak returns why the directory is not held as well as it should be; "" if it is.
func (s *Scratch) Weak() string { return s.weak }

// IsLive reports whether a process holds the scratch directory of that name.
func IsLive(dir string) bool { return (&Scratch{Dir: dir}).InUse() }

// InUse reports whether a process holds the scratch directory.
func (s *Scratch) InUse() bool {
	// Another user may own it.
	f, err := os.OpenFile(s.path(LockFile), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = atomicfile.Lock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	return err == unix.EWOULDBLOCK || namesLiving(f)
}

// identity returns what names a process in a lock file. Without /proc it is only the number.
func identity(pid int) string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	started := ""
	// The name of the program, in parentheses, may contain spaces and parentheses.
	if after := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(after) > 19 {
		started = after[19]
	}
	return fmt.Sprintf("%d %s %s\n", pid, started, strings.TrimSpace(string(boot)))
}

// namesLiving reports whether a lock file names a process that is running.
func namesLiving(f *os.File) bool {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 256))
	var pid int
	if _, scanErr := fmt.Sscan(string(text), &pid); err != nil || scanErr != nil || pid <= 0 {
		return false
	}
	return unix.Kill(pid, 0) != unix.ESRCH && identity(pid) == string(text)
}
