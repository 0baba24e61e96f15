package fusefs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

type errnos = []syscall.Errno

// treeOperation is an operation in a tree that several workers change at the same time.
type treeOperation struct {
	name   string
	weight int
	dirs   bool // on directories
	do     func(w *treeWorker, a string) error
	on     func(w *treeWorker, f *os.File) error // with an open file: a missing name is no excuse
	fine   errnos                                // errors that are expected; for do, beside nameless
}

// nameless lists the errors of any operation on a name that another worker may change, and of a full disk.
var nameless = errnos{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENOSPC}

var treeOperations = []treeOperation{
	{name: "create", weight: 10, fine: errnos{unix.EISDIR}, do: func(w *treeWorker, a string) error {
		return w.open(&w.files, a, os.O_CREATE|os.O_RDWR|[]int{0, os.O_TRUNC}[w.r.IntN(2)])
	}},
	{name: "create a new", weight: 6, fine: errnos{unix.EEXIST}, do: func(w *treeWorker, a string) error {
		return w.open(&w.files, a, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	}},
	{name: "mkdir", weight: 10, dirs: true, fine: errnos{unix.EEXIST}, do: func(_ *treeWorker, a string) error {
		return unix.Mkdir(a, 0o755)
	}},
	{name: "rename", weight: 8, fine: renameErrors, do: func(w *treeWorker, a string) error {
		return w.rename(a, w.path(false))
	}},
	{name: "rename a directory", weight: 5, dirs: true, fine: renameErrors, do: func(w *treeWorker, a string) error {
		return w.rename(a, w.path(true))
	}},
	{name: "link", weight: 4, fine: errnos{unix.EEXIST, unix.EPERM}, do: func(w *treeWorker, a string) error {
		return os.Link(a, w.path(false)) // EPERM: a is a directory
	}},
	{name: "symlink", weight: 5, fine: errnos{unix.EEXIST}, do: func(w *treeWorker, a string) error {
		target := w.path(w.r.IntN(2) == 0)
		if w.r.IntN(2) == 0 { // from where the link is, and so never out of the tree
			target = strings.TrimPrefix(target, w.root+"/")
		}
		return os.Symlink(target, a)
	}},
	{name: "readlink", weight: 4, fine: errnos{unix.EINVAL}, do: func(_ *treeWorker, a string) error {
		_, err := unix.Readlink(a, make([]byte, unix.PathMax))
		return err
	}},
	{name: "unlink", weight: 6, fine: errnos{unix.EISDIR}, do: func(_ *treeWorker, a string) error {
		return unix.Unlink(a)
	}},
	{name: "rmdir", weight: 5, dirs: true, fine: errnos{unix.ENOTEMPTY}, do: func(_ *treeWorker, a string) error {
		return unix.Rmdir(a)
	}},
	{name: "remove all", weight: 1, dirs: true, fine: errnos{unix.ENOTEMPTY}, do: func(_ *treeWorker, a string) error {
		return os.RemoveAll(filepath.Join(a, "d0")) // one level down, so that much is left
	}},
	{name: "stat", weight: 5, do: func(w *treeWorker, a string) error {
		var st unix.Stat_t
		if w.r.IntN(2) == 0 {
			return unix.Lstat(a, &st)
		}
		return unix.Stat(a, &st)
	}},
	{name: "truncate", weight: 3, fine: errnos{unix.EISDIR}, do: func(w *treeWorker, a string) error {
		return unix.Truncate(a, w.r.Int64N(largest/2))
	}},
	{name: "chmod", weight: 3, do: func(w *treeWorker, a string) error {
		return unix.Chmod(a, 0o700|w.r.Uint32N(0o100)) // never so that the walk may not read it
	}},
	{name: "utimes", weight: 3, do: func(w *treeWorker, a string) error {
		times := []unix.Timespec{{Sec: w.r.Int64N(1 << 31), Nsec: 1}, {Nsec: unix.UTIME_NOW}}
		return unix.UtimesNanoAt(unix.AT_FDCWD, a, times, unix.AT_SYMLINK_NOFOLLOW)
	}},
	{name: "setxattr", weight: 3, fine: errnos{unix.ENOTSUP}, do: func(w *treeWorker, a string) error {
		return unix.Setxattr(a, w.attribute(), w.noise[:w.r.IntN(100)], 0)
	}},
	{name: "getxattr", weight: 2, fine: errnos{unix.ENOTSUP, unix.ENODATA}, do: func(w *treeWorker, a string) error {
		_, err := unix.Getxattr(a, w.attribute(), make([]byte, 1000))
		return err
	}},
	{name: "listxattr", weight: 2, fine: errnos{unix.ENOTSUP}, do: func(_ *treeWorker, a string) error {
		_, err := unix.Listxattr(a, make([]byte, 10_000))
		return err
	}},
	{name: "removexattr", weight: 1, fine: errnos{unix.ENOTSUP, unix.ENODATA}, do: func(w *treeWorker, a string) error {
		return unix.Removexattr(a, w.attribute())
	}},
	{name: "write", weight: 5, on: func(w *treeWorker, f *os.File) error {
		off, err := f.Seek(0, io.SeekCurrent)
		if err == nil && off > largest/2 {
			off, err = f.Seek(0, io.SeekStart)
		}
		if err == nil {
			_, err = f.Write(w.noise[off:][:1+w.r.IntN(20_000)])
		}
		return err
	}},
	{name: "pwrite", weight: 5, on: func(w *treeWorker, f *os.File) error {
		off := w.r.IntN(largest / 2)
		_, err := f.WriteAt(w.noise[off:][:1+w.r.IntN(20_000)], int64(off))
		return err
	}},
	{name: "read", weight: 5, on: func(w *treeWorker, f *os.File) error {
		got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
		return errors.Join(err, w.checkBytes(got))
	}},
	{name: "ftruncate", weight: 2, on: func(w *treeWorker, f *os.File) error {
		return f.Truncate(w.r.Int64N(largest / 2))
	}},
	{name: "fchmod", weight: 1, on: func(w *treeWorker, f *os.File) error { return f.Chmod(0o700) }},
	{name: "fsync", weight: 1, on: func(_ *treeWorker, f *os.File) error { return f.Sync() }},
	{name: "fallocate", weight: 3, fine: errnos{unix.EOPNOTSUPP}, on: func(w *treeWorker, f *os.File) error {
		return fallocate(f, allocations[w.r.IntN(len(allocations))].mode, w.r.IntN(largest/2), 1+w.r.IntN(20_000))
	}},
	{name: "getdents", weight: 4, dirs: true, fine: errnos{unix.ENOENT}, on: func(_ *treeWorker, f *os.File) error {
		_, err := f.Seek(0, io.SeekStart)
		if err == nil {
			_, err = f.Readdirnames(-1)
		}
		return err
	}},
	{name: "make in a directory", weight: 1, dirs: true, fine: existErrors, on: func(_ *treeWorker, f *os.File) error {
		return unix.Mkdirat(int(f.Fd()), "d0", 0o755)
	}},
	{name: "chmod a directory", weight: 1, dirs: true, on: func(w *treeWorker, f *os.File) error {
		return f.Chmod(0o700)
	}},
	{name: "fsync a directory", weight: 1, dirs: true, on: func(_ *treeWorker, f *os.File) error { return f.Sync() }},
}

var existErrors = errnos{unix.ENOENT, unix.EEXIST}

var renameErrors = errnos{unix.EEXIST, unix.ENOTEMPTY, unix.EISDIR, unix.EINVAL} // EINVAL: into itself
