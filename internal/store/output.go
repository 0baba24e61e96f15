package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// writebackStep is after how many bytes the kernel is asked to start writing to disk, so that the fsync at the end finds
// little left to do.
const writebackStep = 8 << 20

// ErrBusy says that an output is being written by another process.
var ErrBusy = errors.New("another process is writing it")

// Output is a file in the making. It lies beside its final name under a temporary one until Commit. One of Commit, Abort and
// Leave must be called. An Output is not safe for concurrent use.
type Output struct {
	file    *os.File
	dir     *os.File
	name    string // final, in dir
	replace bool
	written int64 // bytes
	flushed int64 // bytes of which writing to disk has been started
	done    bool  // committed, aborted or left
}

// Options configures Create.
type Options struct {
	Replace bool // a file of that name may be there, and is then replaced by Commit; else that is ErrExists, here or from Commit
	Lasting bool // if the process is killed, or calls Leave, the temporary file stays for OpenPart
}

// Create starts a file. Temporary files that killed processes have left of the same output are removed, but for lasting ones,
// which the next Commit removes. While another process is writing the same output that is ErrBusy.
func Create(name string, opts Options) (*Output, error) {
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case err == nil && !opts.Replace:
		return nil, ErrExists
	case err == nil && !info.Mode().IsRegular():
		return nil, ErrNotRegular
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR):
		return nil, bare(err) // better now than from Commit
	}
	o, err := outputFor(name)
	if err != nil {
		return nil, err
	}
	o.replace = opts.Replace
	if err := o.begin(opts.Lasting); err != nil {
		o.dir.Close()
		return nil, err
	}
	return o, nil
}

// outputFor returns an Output without a file.
func outputFor(name string) (*Output, error) {
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	dir, err := os.OpenFile(filepath.Dir(path), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%w: %s", ErrNoDir, filepath.Dir(path))
	}
	if err != nil {
		return nil, bare(err)
	}
	return &Output{dir: dir, name: filepath.Base(path)}, nil
}

// begin makes the temporary file.
func (o *Output) begin(lasting bool) error {
	temp := o.partPrefix()
	if lasting {
		temp += lastingMark
	}
	temp += rand.Text()
	fd, err := unix.Openat(int(o.dir.Fd()), temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		return err
	}
	o.file = os.NewFile(uintptr(fd), temp)
	// The lock tells a file in the making from a leftover. Until it is held, another process that begins may take the file for
	// one; of two that begin at once, both may see the other.
	var st unix.Stat_t
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == nil {
		err = unix.Fstat(fd, &st)
	}
	switch {
	case err == unix.EWOULDBLOCK || err == nil && st.Nlink == 0:
		err = ErrBusy
	case err == nil:
		err = o.removeParts(false)
	}
	if err != nil {
		unix.Unlinkat(int(o.dir.Fd()), temp, 0)
		o.file.Close()
	}
	return err
}

// partPrefix returns how the temporary names for this output begin.
func (o *Output) partPrefix() string {
	return "." + o.name[:min(len(o.name), 200)] + ".shardfs-"
}

// lastingMark is what the name of a lasting temporary file goes on with.
const lastingMark = "part-"

// removeParts removes temporary files of the same output that nobody is writing, lasting ones only if it is told to. It is a
// courtesy: an error leaves them where they are.
func (o *Output) removeParts(lasting bool) error {
	for name := range o.parts() {
		fd, err := unix.Openat(int(o.dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && (lasting || !strings.HasPrefix(name, o.partPrefix()+lastingMark)) {
			unix.Unlinkat(int(o.dir.Fd()), name, 0)
		}
		unix.Close(fd)
		if err == unix.EWOULDBLOCK {
			return ErrBusy
		}
	}
	return nil
}

// parts yields the names of temporary files of the output, but for its own.
func (o *Output) parts() iter.Seq[string] {
	return func(yield func(string) bool) {
		dir, err := unix.Openat(int(o.dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		f := os.NewFile(uintptr(dir), ".")
		defer f.Close()
		names, err := f.Readdirnames(-1)
		for _, name := range names {
			own := o.file != nil && name == o.file.Name()
			if !own && strings.HasPrefix(name, o.partPrefix()) && !yield(name) || err != nil {
				return
			}
		}
	}
}

// Part returns the name of the temporary file, beside the output.
func (o *Output) Part() string { return o.file.Name() }

// OpenPart opens a lasting temporary file of an output, whose process has ended, for reading.
func OpenPart(name, part string) (*Object, error) {
	o, err := outputFor(name)
	if err != nil {
		return nil, err
	}
	defer o.dir.Close()
	if !strings.HasPrefix(part, o.partPrefix()+lastingMark) || strings.Contains(part, "/") {
		return nil, fs.ErrNotExist
	}
	fd, err := unix.Openat(int(o.dir.Fd()), part, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return newObject(os.NewFile(uintptr(fd), part))
}

// HasPart reports whether there is a lasting temporary file of an output.
func HasPart(name string) bool {
	o, err := outputFor(name)
	if err != nil {
		return false
	}
	defer o.dir.Close()
	for part := range o.parts() {
		if strings.HasPrefix(part, o.partPrefix()+lastingMark) {
			return true
		}
	}
	return false
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
	err := errors.Join(bare(o.dir.Sync()), bare(o.file.Close()))
	o.removeParts(true)
	return errors.Join(err, bare(o.dir.Close()))
}

// Sync makes durable what has been written so far, and the temporary file's name. It may be called while another goroutine
// writes.
func (o *Output) Sync() error { return bare(errors.Join(o.file.Sync(), o.dir.Sync())) }

// Leave gives the file up and leaves a lasting temporary file where it is.
func (o *Output) Leave() error {
	if o.done {
		return nil
	}
	o.done = true
	return errors.Join(o.file.Close(), o.dir.Close())
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

// Abort removes the file. After Commit or Leave it does nothing.
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
