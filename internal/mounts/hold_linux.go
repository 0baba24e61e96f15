package mounts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/internal/scratch"
)

// ErrNoDir means that the directory for scratch directories is missing.
var ErrNoDir = errors.New("no such directory")

// ErrOpen means that other users can take away or replace what is in a directory.
var ErrOpen = errors.New("other users can write to it")

// ErrNoLock means that a file system cannot lock a directory.
var ErrNoLock = errors.New("cannot be locked against other runs")

// Hold keeps other runs out of a directory in which runs make temporary scratch directories, until release is called.
// If another run holds it, Hold waits up to two seconds, because a run that was just killed takes a moment to end; then
// it returns scratch.ErrInUse. With ErrNoLock, which NFS may cause, release is not nil and the directory can be used.
func Hold(ctx context.Context, name string) (release func(), err error) {
	dir, err := openPlace(name)
	if err != nil {
		return nil, err
	}
	release = func() { dir.Close() }
	lock := func() error {
		_, err := atomicfile.Lock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EBADF) { // NFS locks only what is open for writing, which a directory cannot be
			var file *os.File
			if file, err = lockIn(dir); err == nil {
				release = func() {
					unix.Unlinkat(int(dir.Fd()), holdFile, 0)
					file.Close()
					dir.Close()
				}
			}
		}
		return err
	}
	p := retry.Policy{Limit: 2 * time.Second, First: 5 * time.Millisecond}
	err = retry.While(ctx, p, retry.Is(unix.EWOULDBLOCK), lock)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		release()
		return nil, fmt.Errorf("%w by another run", scratch.ErrInUse)
	case ctx.Err() != nil:
		release()
		return nil, context.Cause(ctx)
	case err != nil:
		return release, fmt.Errorf("%w: %w", ErrNoLock, err)
	}
	return release, nil
}

// holdFile is locked instead of a directory that cannot be locked itself.
const holdFile = ".shardfs-lock"

// lockIn makes and locks the file that stands for a directory. The error is EWOULDBLOCK if another process holds it.
func lockIn(dir *os.File) (*os.File, error) {
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), holdFile, flags, 0o600)
	if err != nil {
		return nil, err
	}
	named, err := atomicfile.Lock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil && !named {
		err = unix.EWOULDBLOCK // its holder has just removed it
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), holdFile), nil
}

// CheckPlace returns ErrOpen for a directory in which another user can replace what runs put there, and ErrNoDir if it is
// missing. An empty directory of this user is closed to others instead. In a user namespace the owner is not known.
func CheckPlace(name string) error {
	dir, err := openPlace(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	own := int(st.Uid) == os.Geteuid()
	var link unix.Stat_t
	if err := unix.Lstat(filepath.Clean(name), &link); err != nil {
		return err
	}
	switch {
	case !own && st.Uid != 0, int(link.Uid) != os.Geteuid() && link.Uid != 0:
		return ErrOpen // its owner can, or that of a link to it
	case st.Mode&0o022 == 0 || st.Mode&unix.S_ISVTX != 0:
		return nil
	case !own:
		return ErrOpen
	}
	if err := unix.Fchmod(int(dir.Fd()), st.Mode&0o7755); err != nil {
		return err
	}
	if _, err := dir.Readdirnames(1); err != io.EOF {
		return errors.Join(ErrOpen, unix.Fchmod(int(dir.Fd()), st.Mode&0o7777))
	}
	return nil
}

func openPlace(name string) (*os.File, error) {
	dir, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, ErrNoDir
	}
	return dir, err
}

// IsTempDir reports whether a directory is os.TempDir, in which mounts make temporary scratch directories too.
func IsTempDir(name string) bool { return filepath.Clean(name) == filepath.Clean(os.TempDir()) }
