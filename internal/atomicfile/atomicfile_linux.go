// Package atomicfile writes files that appear whole or not at all.
//
// A [File] is written under a temporary name beside its final one, and is renamed when it is complete. A lock on the
// temporary file distinguishes a file that is being written from the leftover of a killed process, which the next
// writer of the same name removes. All operations are relative to an open directory, so they do not depend on its name,
// which may change meanwhile.
//
// Temporary names are ".NAME.shardfs-RANDOM", where NAME is the final name, and ".NAME.shardfs-part-RANDOM" for files
// that outlive their process on purpose. Of a final name of more than 200 bytes, NAME is the beginning and a digest.
// Killed processes of earlier versions may have left such files, so the names must not change.
//
// Where a file system lacks locks, hard links, exclusive renames or the syncing of directories, files are written all
// the same, and [Options.Weak] says which guarantee is missing.
//
// A [Dir] is a directory that is written in the same way.
//
// [Unnamed] makes a file without a name, for temporary data of one process.
package atomicfile

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	Perm    fs.FileMode // permission bits before the umask; 0 means those of the replaced file, or 0o666
	Replace bool        // Commit replaces an existing file; else it fails with fs.ErrExist
	Durable Durability  // 0 means Durable

	// Resumable keeps the temporary file of a process that ends without Abort, for [OpenPart], until a file of that
	// name is committed.
	Resumable bool

	// Shared lets several processes write the same name at the same time; the last Commit wins. Without it, Create
	// returns ErrBusy.
	Shared bool

	// Weak, if not nil, is called with a reason where the file system cannot give a guarantee of this package.
	Weak func(why string)
}

// File is a file that is being written. The caller must call Commit, Abort or Detach. A File is not safe for concurrent
// use, except for Sync.
type File struct {
	*os.File // the temporary file
	dir      *os.File
	name     string
	o        Options
	user     uint32 // its owner, which a file server may have mapped
	done     bool   // committed, aborted or detached
}

// Create starts writing the file with that name in dir, which the caller must keep open until the file is done. It
// removes temporary files of killed processes for the same name, except resumable ones, which the next Commit removes.
func Create(dir *os.File, name string, o Options) (*File, error) {
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

// replacedMode returns the permissions of the file that is to be replaced, if the new one is to have them; else 0.
func (o *Options) replacedMode(dir *os.File, name string) uint32 {
	var st unix.Stat_t
	if !o.Replace || o.Perm != 0 || unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil ||
		st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0
	}
	return st.Mode & 0o777
}

// weak calls o.Weak.
func (o *Options) weak(why string) {
	if o.Weak != nil {
		o.Weak(why)
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
	replaced := o.replacedMode(dir, name)
	fd, err := unix.Openat(int(dir.Fd()), temp, flags, cmp.Or(uint32(o.Perm.Perm()), replaced, 0o666))
	if err != nil {
		return nil, err
	}
	f := &File{File: os.NewFile(uintptr(fd), temp), dir: dir, name: name, o: o}
	if replaced != 0 {
		unix.Fchmod(fd, replaced) // some file systems have only one mode
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		f.user = st.Uid
	}
	// Until the file is locked, another process may remove it as a leftover. Two processes that begin at the same time
	// may see each other's file.
	named, err := Lock(fd, unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == unix.EWOULDBLOCK || err == nil && !named:
		err = errTaken
	case errors.Is(err, ErrNoLocks):
		o.weak(fmt.Sprintf("%v: two writers of one file do not notice each other, and files of killed ones stay", err))
		err = nil
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

// Sync makes the bytes written so far and the temporary name durable. It may be called while another goroutine writes.
func (f *File) Sync() error { return errors.Join(f.File.Sync(), SyncDir(f.dir, f.o.Weak)) }

// Commit gives the file its name. After an error there is no new file, unless only making the name durable or closing
// has failed.
func (f *File) Commit() error {
	if err := f.publish(); err != nil {
		return errors.Join(err, f.Abort())
	}
	f.done = true
	var err error
	if f.o.Durable == Durable {
		err = SyncDir(f.dir, f.o.Weak)
	}
	err = errors.Join(err, f.File.Close())
	if !f.o.Shared {
		f.removeLeftovers(true)
	}
	return err
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

// RemoveLeftovers removes the resumable files of processes that have ended, of the same name: Commit does so, too.
func (f *File) RemoveLeftovers() error { return f.removeLeftovers(true) }

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
