// Package atomicfile writes files that appear whole or not at all.
//
// A [File] is written under a temporary name beside its final one, and is renamed when it is complete. A lock on the
// temporary file distinguishes a file that is being written from the leftover of a killed process, which the next
// writer of the same name removes. Everything is done relative to an open directory, so renaming or replacing the
// directory meanwhile does not lead a writer elsewhere.
//
// Temporary names are ".NAME.shardfs-RANDOM", where NAME is the first 200 bytes of the final name, and
// ".NAME.shardfs-part-RANDOM" for files that outlive their process on purpose. Killed processes of earlier versions
// may have left such names, so they do not change.
//
// [Unnamed] makes a file that never appears: what one process keeps on disk for itself.
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

// Durability says what Commit makes sure of in case the machine stops.
type Durability uint8

// Levels of durability.
const (
	Durable  Durability = iota // after Commit the new file is on disk, under its name
	Whole                      // the name leads to the old file or to all of the new one
	Volatile                   // nothing: the file is replaced at once for other processes only
)

// Options configures Create. The zero value makes a durable file under a name that must be free.
type Options struct {
	Perm    fs.FileMode // permission bits before the umask; 0 means 0o666
	Replace bool        // the name may be taken, and Commit replaces that file; else Commit fails with fs.ErrExist
	Durable Durability  // 0 means Durable

	// Resumable leaves the temporary file of a process that ends without Abort, for [OpenPart], until the name is committed.
	Resumable bool

	// Shared lets several processes write the same name at the same time, and the last Commit wins. Without it, Create
	// returns ErrBusy.
	Shared bool
}

// File is a file in the making. One of Commit, Abort and Detach must be called. A File is not safe for concurrent use,
// except for Sync.
type File struct {
	*os.File // the temporary file
	dir      *os.File
	name     string
	o        Options
	done     bool // committed, aborted or detached
}

// Create starts the file of that name in dir, a directory that stays the caller's and open until the file is done. It
// removes what killed processes left of the same name, except resumable files, which the next Commit removes.
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

// errTaken says that another process took a temporary file for a leftover, before it could be locked.
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
	// Until the lock is held, another process that begins may take the file for a leftover. Of two that begin at the
	// same time, both may see the other.
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

// tempPrefix returns what all temporary names for a final name begin with.
func tempPrefix(name string) string { return "." + name[:min(len(name), 200)] + tempInfix }

// What temporary names contain.
const (
	tempInfix = ".shardfs-"
	partMark  = "part-" // of resumable files
)

// FinalName returns the name of the file that a temporary one was to become, or its first 200 bytes if that is longer.
func FinalName(temp string) (name string, ok bool) {
	rest, hidden := strings.CutPrefix(temp, ".")
	i := strings.LastIndex(rest, tempInfix)
	if !hidden || i <= 0 {
		return "", false
	}
	return rest[:i], true
}

// Lock locks a descriptor by flock(2), with how one of its operations, and reports whether the file still has a name:
// the process that held the lock before may have removed it.
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

// RemoveUnlocked removes a file of a directory if no process has locked it. It returns ErrBusy if one has. That it
// cannot be removed is no error.
func RemoveUnlocked(dir *os.File, name string) error {
	return removeUnlocked(dir, name, true)
}

// removeUnlocked is RemoveUnlocked, or only looks whether the file is locked.
func removeUnlocked(dir *os.File, name string, remove bool) error {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flags, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	// A file that was replaced meanwhile by another of the same name stays: only the one that is locked is removed.
	named, err := Lock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return ErrBusy
	}
	if named && remove {
		unix.Unlinkat(int(dir.Fd()), name, 0)
	}
	return nil
}

// removeLeftovers removes temporary files of the same name that no process is writing, resumable ones only if parts is
// set.
func (f *File) removeLeftovers(parts bool) error {
	for name, err := range temporary(f.dir, f.name) {
		if err != nil {
			return nil // a courtesy: what cannot be listed stays
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

// Parts yields the names of resumable temporary files for a final name in a directory, whether they are being written
// or not. An error ends it.
func Parts(dir *os.File, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for temp, err := range temporary(dir, name) {
			if (err != nil || isPart(name, temp)) && !yield(temp, err) {
				return
			}
		}
	}
}

// temporary yields the names of all temporary files for a final name. The names that could be read come before an
// error.
func temporary(dir *os.File, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for temp, err := range Names(dir) {
			if (err != nil || strings.HasPrefix(temp, tempPrefix(name))) && !yield(temp, err) {
				return
			}
		}
	}
}

// Names yields the names in a directory. The names that could be read come before an error.
func Names(dir *os.File) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		// A descriptor of its own: the position in a listing belongs to the descriptor.
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

// list yields what a directory that is read by names holds.
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

// OpenPart opens a resumable temporary file for a final name, for reading. Another name is fs.ErrNotExist.
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

// Sync makes durable what was written so far, and the temporary name. It may be called while another goroutine writes.
func (f *File) Sync() error { return errors.Join(f.File.Sync(), f.dir.Sync()) }

// Commit gives the file its name; on an error there is no new file. Its error may also be one of making the name
// durable, or of closing; then the file is there.
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
		err = f.link() // NFS and Lustre, among others, know no flags of a rename
	}
	return err
}

// link gives the file its name if that is free, on every file system that has links.
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

// Detach ends the writing and leaves a resumable temporary file where it is. After Commit or Abort it does nothing.
func (f *File) Detach() error {
	if f.done {
		return nil
	}
	f.done = true
	return f.File.Close()
}

// Close is Abort, so that a File whose Commit was not reached leaves nothing.
func (f *File) Close() error { return f.Abort() }

// WriteFile writes a file with that content, in place of another one if o says so.
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
