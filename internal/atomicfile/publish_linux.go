package atomicfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lacks reports whether an error means that a file system does not have an operation. 524 is the kernel's own ENOTSUPP,
// which NFS and autofs let through.
func lacks(err error) bool {
	switch err {
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM, unix.EACCES, unix.EMLINK, unix.EXDEV, unix.Errno(524):
		return true
	}
	return false
}

func (f *File) publish() error {
	if f.o.Durable != Volatile {
		if err := f.File.Sync(); err != nil {
			return err
		}
	}
	dir := int(f.dir.Fd())
	if f.o.Replace {
		return unix.Renameat(dir, f.Name(), dir, f.name)
	}
	err := unix.Renameat2(dir, f.Name(), dir, f.name, unix.RENAME_NOREPLACE)
	if lacks(err) {
		err = f.link() // NFS and Lustre, among others, do not support rename flags
	}
	if lacks(err) {
		err = f.reserve()
	}
	return err
}

// link gives the file its name if that is free, on every file system with hard links.
func (f *File) link() error {
	dir := int(f.dir.Fd())
	if err := unix.Linkat(dir, f.Name(), dir, f.name, 0); err != nil {
		return err
	}
	return unix.Unlinkat(dir, f.Name(), 0)
}

// reserve gives the file its name if that is free, on every file system: it makes an empty file of that name, which a
// reader may see for a moment, and then replaces it.
func (f *File) reserve() error {
	dir := int(f.dir.Fd())
	fd, err := unix.Openat(dir, f.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	unix.Close(fd)
	f.o.weak("the file system has neither hard links nor exclusive renames: a new file is empty for a moment")
	if err := unix.Renameat(dir, f.Name(), dir, f.name); err != nil {
		unix.Unlinkat(dir, f.name, 0)
		return err
	}
	return nil
}

// SyncDir makes the names in a directory durable. Some file systems cannot do that: CIFS and 9p say EINVAL, DrvFs EIO.
// SyncDir then calls weak, if that is not nil, and returns no error, because the files are there.
func SyncDir(dir *os.File, weak func(why string)) error {
	err := dir.Sync()
	if err == nil || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return err
	}
	why := unix.Errno(0)
	if !errors.As(err, &why) {
		return err // it is closed
	}
	if weak != nil {
		weak(fmt.Sprintf("directories cannot be synced (%v): after a power cut, new names may be missing", why))
	}
	return nil
}
