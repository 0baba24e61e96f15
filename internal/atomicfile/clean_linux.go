package atomicfile

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Leftover is a temporary file or directory.
type Leftover struct {
	Name    string // of the file
	Final   string // the name that it would have got; of a long name, the beginning and a digest
	Part    bool   // it is resumable
	Size    int64
	ModTime time.Time
}

// Clean removes temporary files and directories of this user in a directory that no process is writing, for any final name: those for
// which may returns true. It calls removed for each. The error wraps ErrNoLocks if a file has stayed because it cannot be
// told whether a process is writing it.
func Clean(dir *os.File, may func(Leftover) bool, removed func(Leftover)) (err error) {
	for name, nameErr := range Names(dir) {
		if nameErr != nil {
			return nameErr
		}
		final, ok := FinalName(name)
		var st unix.Stat_t
		if !ok || !isTemp(final, name) ||
			unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		l := Leftover{name, final, isPart(final, name), st.Size, time.Unix(0, st.Mtim.Nano())}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			l.Size = 0 // not known
		}
		if !may(l) {
			continue
		}
		gone, removeErr := removeTemp(dir, name)
		if gone {
			removed(l)
		} else if removeErr != nil && removeErr != ErrBusy {
			err = removeErr
		}
	}
	return err
}
