// Package store turns the name of a shard into bytes, and bytes into a published file.
//
// An [Object] is one version of a stored shard, read at any offset. An [Output] is a file in the making: it appears
// under its name whole and durable, or not at all. So far both are local files.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What can be wrong with the name of a shard or an output, besides the errors of package fs.
var (
	ErrScheme     = errors.New("unknown kind of URL")
	ErrNotRegular = errors.New("not a regular file")
	ErrExists     = errors.New("output exists")
	ErrNoDir      = errors.New("no such directory")
)

// ErrChanged says that an object is not the version any more that was opened.
var ErrChanged = errors.New("it was changed since it was opened")

// Object is one version of a stored shard, open for reading. It is safe for concurrent use.
type Object struct {
	file *os.File
	stat unix.Stat_t
}

// Path returns the local path that a shard's name means: the name itself, or what follows file:// in it.
func Path(name string) (string, error) {
	scheme, rest, ok := strings.Cut(name, "://")
	if !ok || strings.ContainsRune(scheme, '/') {
		return name, nil
	}
	if scheme != "file" || !strings.HasPrefix(rest, "/") {
		return "", fmt.Errorf("%w: %s://", ErrScheme, scheme)
	}
	return rest, nil
}

// Redact returns a shard's name without credentials and query, fit for showing.
func Redact(name string) string {
	scheme, rest, ok := strings.Cut(name, "://")
	if !ok || strings.ContainsRune(scheme, '/') {
		return name
	}
	rest, _, _ = strings.Cut(rest, "?")
	host, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if slash {
		host += "/"
	}
	return scheme + "://" + host + path
}

// Open opens a shard by its name.
func Open(name string) (*Object, error) {
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	// Without O_NONBLOCK, opening a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	return newObject(f)
}

// newObject returns the object that an open file is.
func newObject(f *os.File) (*Object, error) {
	o := &Object{file: f}
	if err := unix.Fstat(int(f.Fd()), &o.stat); err != nil {
		f.Close()
		return nil, err
	}
	if o.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, ErrNotRegular
	}
	return o, nil
}

// Stat returns when the object of that name was last modified. It refuses what Open would refuse, as far as that can be
// seen from outside.
func Stat(name string) (time.Time, error) {
	path, err := Path(name)
	if err != nil {
		return time.Time{}, err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return time.Time{}, bare(err)
	case !info.Mode().IsRegular():
		return time.Time{}, ErrNotRegular
	}
	return info.ModTime(), nil
}

// Size returns the object's size in bytes.
func (o *Object) Size() int64 { return o.stat.Size }

// ModTime returns when the object was last modified, in nanoseconds since 1970.
func (o *Object) ModTime() int64 { return o.stat.Mtim.Nano() }

// Inode returns the number that tells the object from others of that name, then or later.
func (o *Object) Inode() uint64 { return o.stat.Ino }

// Unchanged returns nil as long as the object has the size and the modification time that it was opened with. What is read
// after that may be anything.
func (o *Object) Unchanged() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(o.file.Fd()), &st); err != nil {
		return err
	}
	if st.Size != o.stat.Size || st.Mtim != o.stat.Mtim {
		return ErrChanged
	}
	return nil
}

// ReadAt reads len(p) bytes at off.
func (o *Object) ReadAt(p []byte, off int64) (int, error) { return o.file.ReadAt(p, off) }

// WillRead has bytes brought into memory that will be read soon. It does not wait for them.
func (o *Object) WillRead(off, n int64) { unix.Fadvise(int(o.file.Fd()), off, n, unix.FADV_WILLNEED) }

// File returns the file that the object is, for copying within the kernel.
func (o *Object) File() *os.File { return o.file }

// Close closes the object.
func (o *Object) Close() error { return o.file.Close() }

// bare returns an error of package os without operation and path, which the caller knows better.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
