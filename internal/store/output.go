package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// writebackStep is after how many bytes the kernel is asked to start writing to disk, so that the fsync at the end finds
// little left to do.
const writebackStep = 8 << 20

// Output is a file in the making. It lies beside its final name under a temporary one until Commit. One of Commit and
// Abort must be called. An Output is not safe for concurrent use.
type Output struct {
	file    *os.File
	dir     *os.File
	name    string // final, in dir
	replace bool
	written int64 // bytes
	flushed int64 // bytes of which writing to disk has been started
	done    bool  // committed or aborted
}

// Create starts a file. Replace says that a file of that name may be there and is then replaced by Commit; otherwise that
// is ErrExists, here or from Commit. Temporary files that a killed process left of the same output are removed.
func Create(name string, replace bool) (*Output, error) {
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case err == nil && !replace:
		return nil, ErrExists
	case err == nil && !info.Mode().IsRegular():
		return nil, ErrNotRegular
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR):
		return nil, bare(err) // better now than from Commit
	}
	dir, err := os.OpenFile(filepath.Dir(path), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%w: %s", ErrNoDir, filepath.Dir(path))
	}
	if err != nil {
		return nil, bare(err)
	}
	o := &Output{dir: dir, name: filepath.Base(path), replace: replace}
	o.removeLeftovers()
	temp := o.tempPrefix() + rand.Text()
	fd, err := unix.Openat(int(dir.Fd()), temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		dir.Close()
		return nil, err
	}
	o.file = os.NewFile(uintptr(fd), temp)
	// The lock tells a file in the making from a leftover.
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, o.Abort())
	}
	return o, nil
}

// tempPrefix returns how the temporary names for this output begin.
func (o *Output) tempPrefix() string {
	return "." + o.name[:min(len(o.name), 200)] + ".shardfs-"
}

// removeLeftovers removes temporary files of the same output that nobody is writing. It is a courtesy: an error leaves
// them where they are.
func (o *Output) removeLeftovers() {
	names, err := o.dir.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, name := range names {
		if !strings.HasPrefix(name, o.tempPrefix()) {
			continue
		}
		fd, err := unix.Openat(int(o.dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
			unix.Unlinkat(int(o.dir.Fd()), name, 0)
		}
		unix.Close(fd)
	}
}

// Write appends to the file.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	o.wrote(int64(n))
	return n, bare(err)
}

// CopyRange appends n bytes of src from off on, within the kernel where src is an [Object]: copying 1 GB through a buffer
// of ours takes twice the processor time.
func (o *Output) CopyRange(src io.ReaderAt, off, n int64) error {
	object, ok := src.(*Object)
	for ok && n > 0 {
		m, err := unix.CopyFileRange(int(object.file.Fd()), &off, int(o.file.Fd()), nil, int(min(n, writebackStep)), 0)
		if err != nil || m == 0 {
			break // another file system, or the end of src: the copy below does it, or says what is wrong
		}
		o.wrote(int64(m))
		n -= int64(m)
	}
	m, err := io.Copy(onlyWriter{o}, io.NewSectionReader(src, off, n))
	if err == nil && m < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// onlyWriter hides every other method from [io.Copy].
type onlyWriter struct{ io.Writer }

func (o *Output) wrote(n int64) {
	o.written += n
	if o.written-o.flushed >= writebackStep {
		// Only a hint: an error here is one that fsync will tell.
		unix.SyncFileRange(int(o.file.Fd()), o.flushed, o.written-o.flushed, unix.SYNC_FILE_RANGE_WRITE)
		o.flushed = o.written
	}
}

// Commit makes the file durable and gives it its name.
func (o *Output) Commit() error {
	if err := o.publish(); err != nil {
		return errors.Join(err, o.Abort())
	}
	o.done = true
	return errors.Join(bare(o.dir.Sync()), bare(o.file.Close()), bare(o.dir.Close()))
}

func (o *Output) publish() error {
	if err := o.file.Sync(); err != nil {
		return bare(err)
	}
	info, err := o.file.Stat()
	if err != nil {
		return bare(err)
	}
	if info.Size() != o.written {
		return fmt.Errorf("the file has %d bytes after %d were written", info.Size(), o.written)
	}
	dir := int(o.dir.Fd())
	if o.replace {
		return unix.Renameat(dir, o.file.Name(), dir, o.name)
	}
	err = unix.Renameat2(dir, o.file.Name(), dir, o.name, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL {
		err = o.link() // NFS and Lustre, among others, know no flags of a rename
	}
	if err == unix.EEXIST {
		return ErrExists
	}
	return err
}

// link gives the file its name if nothing has it, on every file system that has links.
func (o *Output) link() error {
	dir := int(o.dir.Fd())
	if err := unix.Linkat(dir, o.file.Name(), dir, o.name, 0); err != nil {
		return err
	}
	return unix.Unlinkat(dir, o.file.Name(), 0)
}

// Abort removes the file. After Commit it does nothing.
func (o *Output) Abort() error {
	if o.done {
		return nil
	}
	o.done = true
	err := unix.Unlinkat(int(o.dir.Fd()), o.file.Name(), 0)
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return errors.Join(err, o.file.Close(), o.dir.Close())
}
