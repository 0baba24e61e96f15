package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// opener opens files below a directory, with one system call each. An os.Root makes seven, which take most of the time
// that many small files take.
type opener struct {
	root *os.Root
	dir  *os.File
	old  bool // as if the kernel had no openat2
}

// open opens a file for reading. It follows no links, and does not wait for the writer of a FIFO.
func (o opener) open(name string) (fs.File, error) {
	fd, err := o.openat2(name, unix.O_NONBLOCK)
	if err == errNoOpenat2 {
		return o.openInSteps(name)
	}
	if err != nil {
		return nil, err
	}
	return &file{fd: fd, name: name}, nil
}

// openInSteps is open without openat2. An os.Root follows links inside it.
func (o opener) openInSteps(name string) (fs.File, error) {
	listed, err := o.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	f, err := o.root.OpenFile(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(listed, opened) {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: name, Err: unix.ELOOP}, f.Close())
	}
	return f, nil
}

// openDir opens a directory for listing.
func (o opener) openDir(name string) (*os.File, error) {
	fd, err := o.openat2(name, unix.O_DIRECTORY)
	if err == errNoOpenat2 {
		return o.root.Open(name)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// errNoOpenat2 means that the kernel is older than openat2, or a filter of system calls does not know it.
var errNoOpenat2 = errors.New("no openat2")

func (o opener) openat2(name string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | flags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	if o.old {
		return 0, errNoOpenat2
	}
	for {
		fd, err := unix.Openat2(int(o.dir.Fd()), name, &how)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			return 0, errNoOpenat2
		case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN):
			return 0, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// file is an open file.
type file struct {
	fd   int
	name string
	stat unix.Stat_t
}

// Read implements fs.File.
func (f *file) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(f.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pread(f.fd, p[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, &fs.PathError{Op: "read", Path: f.name, Err: err}
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// Stat implements fs.File.
func (f *file) Stat() (fs.FileInfo, error) {
	if err := unix.Fstat(f.fd, &f.stat); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: f.name, Err: err}
	}
	return f, nil
}

// Close implements fs.File.
func (f *file) Close() error { return unix.Close(f.fd) }

// Name, Size, Mode, ModTime, IsDir and Sys implement fs.FileInfo after Stat.
func (f *file) Name() string { return f.name }
func (f *file) Size() int64  { return f.stat.Size }
func (f *file) Mode() fs.FileMode {
	if f.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return fs.ModeIrregular
	}
	return fs.FileMode(f.stat.Mode & 0o777)
}
func (f *file) ModTime() time.Time { return time.Unix(f.stat.Mtim.Unix()) }
func (f *file) IsDir() bool        { return false }
func (f *file) Sys() any           { return &f.stat }
