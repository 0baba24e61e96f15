package guard

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// local lists the types of file systems whose files are changed only by this kernel and only through them. Others have leases
// that count on this machine only, or none; a file of overlayfs can be written to in its layers.
var local = []int64{
	unix.EXT4_SUPER_MAGIC, // ext2 and ext3, too
	unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
	unix.RAMFS_MAGIC, unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1, unix.ISOFS_SUPER_MAGIC,
}

// isLocal returns ErrUnguardable if other machines may change a file.
func isLocal(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return os.NewSyscallError("statfs", err)
	}
	if !slices.Contains(local, int64(fs.Type)) {
		return fmt.Errorf("%w: a file system of type %#x", ErrUnguardable, fs.Type)
	}
	return nil
}

// A lease is a file description of the shard, by which the kernel lets a process know, with SIGIO, that the shard is to be
// opened for writing or truncated, and has the opener wait. Processes may share the description; the kernel tells the one
// that took the lease last.
type lease struct{ file *os.File }

// newLease opens the shard again, without a lease.
func newLease(fd int) (lease, error) {
	f, err := os.OpenFile(path(fd), os.O_RDONLY, 0)
	return lease{f}, err
}

// take takes the lease, of which this process is told. It fails with EAGAIN while the shard is open or mapped for writing.
func (l lease) take() error {
	fd := l.file.Fd()
	// By default the kernel would tell the thread that has asked, which may have ended by then.
	if _, err := unix.FcntlInt(fd, unix.F_SETOWN, os.Getpid()); err != nil {
		return os.NewSyscallError("fcntl F_SETOWN", err)
	}
	_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
	return os.NewSyscallError("fcntl F_SETLEASE", err)
}

// isHeld reports whether there is a lease that no opener waits for.
func (l lease) isHeld() bool {
	kind, err := unix.FcntlInt(l.file.Fd(), unix.F_GETLEASE, 0)
	return err == nil && kind == unix.F_RDLCK
}

// release lets the opener go on, if there is a lease.
func (l lease) release() { unix.FcntlInt(l.file.Fd(), unix.F_SETLEASE, unix.F_UNLCK) }

// File is an open file that can be guarded: there is a lease on it, so that its bytes stay as they are until the lease is
// released. It has a mount of its own.
type File struct {
	lease lease
	tree  *os.File
}

// fileID identifies a file.
type fileID struct{ device, inode uint64 }

// idOf identifies an open file.
func idOf(fd int) (fileID, error) {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return fileID{}, os.NewSyscallError("fstat", err)
	}
	return fileID{uint64(s.Dev), s.Ino}, nil
}

// Hold takes a lease on an open file. What was read before may have changed until Hold returns, and will not from then on,
// unless the guard says so. The caller gives the File to Start, or calls Close; fd is not used afterwards.
func Hold(fd int) (*File, error) {
	if err := isLocal(fd); err != nil {
		return nil, err
	}
	f, err := hold(fd)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnguardable, err)
	}
	return f, nil
}

func hold(fd int) (*File, error) {
	own, err := newLease(fd)
	if err != nil {
		return nil, err
	}
	if err := own.take(); err != nil {
		return nil, errors.Join(err, own.file.Close())
	}
	n, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("open_tree", err), own.file.Close())
	}
	return &File{own, os.NewFile(uintptr(n), "mount of a shard")}, nil
}

// Close ends the use of the file.
func (f *File) Close() error { return errors.Join(f.lease.file.Close(), f.tree.Close()) }

// path returns a path that leads to an open file of this process.
func path(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
