// Package atomicfile writes files that appear whole or not at all.
//
// A [File] is written under a temporary name beside its final one, and is renamed when it is complete. A lock on the
// temporary file distinguishes a file that is being written from the leftover of a killed process, which the next
// writer of the same name removes. All operations are relative to an open directory, so they do not depend on its name,
// which may change meanwhile.
//
// Temporary names are ".NAME.shardfs-RANDOM", where NAME is the first 200 bytes of the final name, and
// ".NAME.shardfs-part-RANDOM" for files that outlive their process on purpose. Killed processes of earlier versions may
// have left such files, so the names must not change.
//
// [Unnamed] makes a file without a name, for temporary data of one process.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrBusy means that another process is writing a file of the same name.
var ErrBusy = errors.New("another process is writing it")

// Durability is what Commit guarantees if the machine stops.
type Durability uint8

// Levels of durability.
const (
	Durable  Durability = iota // after Commit the new file is on disk, under its name
	Whole                      // the name is that of the old file or of the whole new one
	Volatile                   // nothing; the replacement is atomic only for other processes
)

// Options configures Create. The zero value makes a durable file under a name that must be free.
type Options struct {
	Perm    fs.FileMode // permission bits before the umask; 0 means 0o666
	Replace bool        // Commit replaces an existing file; else it fails with fs.ErrExist
	Durable Durability  // 0 means Durable

	// Resumable keeps the temporary file of a process that ends without Abort, for [OpenPart], until a file of that
	// name is committed.
	Resumable bool

	// Shared lets several processes write the same name at the same time; the last Commit wins. Without it, Create
	// returns ErrBusy.
	Shared bool
}

// File is a file that is being written. The caller must call Commit, Abort or Detach. A File is not safe for concurrent
// use, except for Sync.
type File struct {
	*os.File // the temporary file
	dir      *os.File
	name     string
	o        Options
	done     bool // committed, aborted or detached
}

// Create starts writing the file with that name in dir, which the caller must keep open until the file is done. It
// removes temporary files of killed processes for the same name, except resumable ones, which the next Commit removes.
func Create(dir *os.File, name string, o Options) (*File, error) {
	if o.Perm == 0 {
		o.Perm = 0o666
	}
	for {
		f, err := begin(dir, name, o)
		if err == errTaken && o.Shared {
			continue
		}
		if err == errTaken {
			err = ErrBusy
		}
		return f, err
	}
}

// errTaken means that another process has removed a temporary file as a leftover before it was locked.
var errTaken = errors.New("the temporary file is gone")

func begin(dir *os.File, name string, o Options) (*File, error) {
	temp := tempPrefix(name)
	if o.Resumable {
		temp += partMark
	}
	temp += rand.Text()
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Openat(int(dir.Fd()), temp, flags, uint32(o.Perm.Perm()))
	if err != nil {
		return nil, err
	}
	f := &File{File: os.NewFile(uintptr(fd), temp), dir: dir, name: name, o: o}
	// Until the file is locked, another process may remove it as a leftover. Two processes that begin at the same time
	// may see each other's file.
	named, err := Lock(fd, unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == unix.EWOULDBLOCK || err == nil && !named:
		err = errTaken
	case err == nil && !o.Shared:
		err = f.removeLeftovers(false)
	}
	if err != nil {
		unix.Unlinkat(int(dir.Fd()), temp, 0)
		f.File.Close()
		return nil, err
	}
	return f, nil
}

// tempPrefix returns the beginning of all temporary names for a final name.
func tempPrefix(name string) string { return "." + name[:min(len(name), 200)] + tempInfix }

// Parts of temporary names.
const (
	tempInfix = ".shardfs-"
	partMark  = "part-" // of resumable files
)

// FinalName returns the final name for a temporary name, or the first 200 bytes if it is longer.
func FinalName(temp string) (name string, ok bool) {
	rest, hidden := strings.CutPrefix(temp, ".")
	i := strings.LastIndex(rest, tempInfix)
	if !hidden || i <= 0 {
		return "", false
	}
	return rest[:i], true
}

// Lock locks a file descriptor with flock(2); how is its operation. It reports whether the file still has a name,
// because the previous holder of the lock may have removed it.
func Lock(fd, how int) (named bool, err error) {
	for {
		if err = unix.Flock(fd, how); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	return st.Nlink > 0, nil
}

// RemoveUnlocked removes a file in a directory if no process has locked it; otherwise it returns ErrBusy. It is no
// error if the file cannot be removed.
func RemoveUnlocked(dir *os.File, name string) error {
	return removeUnlocked(dir, name, true)
}

// removeUnlocked is RemoveUnlocked; if remove is false, it only checks whether the file is locked.
func removeUnlocked(dir *os.File, name string, remove bool) error {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flags, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	// If another file has the name by now, it stays: only the locked file is removed.
	named, err := Lock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return ErrBusy
	}
	if named && remove {
		unix.Unlinkat(int(dir.Fd()), name, 0)
	}
	return nil
}

// removeLeftovers removes temporary files for the same name that no process is writing, resumable ones only if parts is
// set.
func (f *File) removeLeftovers(parts bool) error {
	for name, err := range temporary(f.dir, f.name) {
		if err != nil {
			return nil // errors are ignored: cleaning up is optional
		}
		if name == f.Name() {
			continue
		}
		remove := parts || !isPart(f.name, name)
		if err := removeUnlocked(f.dir, name, remove); err != nil {
			return err
		}
	}
	return nil
}

// isPart reports whether temp is the name of a resumable temporary file for a final name.
func isPart(name, temp string) bool { return strings.HasPrefix(temp, tempPrefix(name)+partMark) }

// Parts yields the names of resumable temporary files for a final name in a directory, even those that are being
// written. It ends after an error.
func Parts(dir *os.File, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for temp, err := range temporary(dir, name) {
			if (err != nil || isPart(name, temp)) && !yield(temp, err) {
				return
			}
		}
	}
}

// temporary yields the names of all temporary files for a final name. It ends after an error.
func temporary(dir *os.File, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for temp, err := range Names(dir) {
			if (err != nil || strings.HasPrefix(temp, tempPrefix(name))) && !yield(temp, err) {
				return
			}
		}
	}
}

// Names yields the names in a directory. It ends after an error.
func Names(dir *os.File) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		// This needs another file descriptor, because the position in a listing belongs to the open file.
		fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			yield("", err)
			return
		}
		f := os.NewFile(uintptr(fd), ".")
		defer f.Close()
		list(f, yield)
	}
}

// list yields the names in a directory.
func list(dir interface{ Readdirnames(int) ([]string, error) }, yield func(string, error) bool) {
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if !yield(name, nil) {
			return
		}
	}
	if err != nil {
		yield("", err)
	}
}

// OpenPart opens a resumable temporary file for a final name, for reading. If temp is not such a name, the error is
// fs.ErrNotExist.
func OpenPart(dir *os.File, name, temp string) (*os.File, error) {
	if !isPart(name, temp) || strings.Contains(temp, "/") {
		return nil, fs.ErrNotExist
	}
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Openat(int(dir.Fd()), temp, flags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), temp), nil
}

// Sync makes the bytes written so far and the temporary name durable. It may be called while another goroutine writes.
func (f *File) Sync() error { return errors.Join(f.File.Sync(), f.dir.Sync()) }

// Commit gives the file its name. After an error there is no new file, unless only making the name durable or closing
// has failed.
func (f *File) Commit() error {
	if err := f.publish(); err != nil {
		return errors.Join(err, f.Abort())
	}
	f.done = true
	var err error
	if f.o.Durable == Durable {
		err = f.dir.Sync()
	}
	err = errors.Join(err, f.File.Close())
	if !f.o.Shared {
		f.removeLeftovers(true)
	}
	return err
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
	if err == unix.EINVAL {
		err = f.link() // NFS and Lustre, among others, do not support rename flags
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

// Abort removes the file. After Commit or Detach it does nothing.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	err := unix.Unlinkat(int(f.dir.Fd()), f.Name(), 0)
	if err == unix.ENOENT {
		err = nil
	}
	return errors.Join(err, f.File.Close())
}

// Detach ends the writing and keeps a resumable temporary file. After Commit or Abort it does nothing.
func (f *File) Detach() error {
	if f.done {
		return nil
	}
	f.done = true
	return f.File.Close()
}

// Close is the same as Abort, so that a File without a Commit leaves nothing.
func (f *File) Close() error { return f.Abort() }

// WriteFile writes a file with that content. It replaces an existing file if o.Replace is set.
func WriteFile(name string, content []byte, o Options) error {
	dir, err := os.OpenFile(filepath.Dir(name), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := Create(dir, filepath.Base(name), o)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err = f.Write(content); err != nil {
		return errors.Join(err, f.Abort())
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
