// Package file is the store of local files: plain paths and file:// URLs.
//
// Only this package knows that a shard is a file. A version is the file's modification time and inode. A new object is
// written to a temporary file beside its final name, see package atomicfile.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/store"
)

// Store is the store of local files.
type Store struct{}

// Object is an open file. Reads wait only for the disk, so they check their context only before they start.
type Object struct {
	file *os.File
	stat unix.Stat_t
}

// Open implements [store.Store]. The object is an *Object.
func (Store) Open(ctx context.Context, name string) (store.Object, error) {
	path, err := store.Path(name)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// Without O_NONBLOCK, opening a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	return newObject(f)
}

// newObject returns the Object for an open file.
func newObject(f *os.File) (store.Object, error) {
	o := &Object{file: f}
	if err := unix.Fstat(int(f.Fd()), &o.stat); err != nil {
		f.Close()
		return nil, err
	}
	if o.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, store.ErrNotRegular
	}
	// A write in the same tick as the last one would not change the times.
	if age := time.Since(time.Unix(0, o.stat.Ctim.Nano())); 0 <= age && age < tick {
		time.Sleep(tick - age)
		if err := unix.Fstat(int(f.Fd()), &o.stat); err != nil {
			f.Close()
			return nil, err
		}
	}
	return o, nil
}

// tick is the longest time for which the kernel gives writes to a file the same time, at 100 timer interrupts per
// second. File systems that keep whole seconds are not considered: waiting for them would be noticed.
const tick = 10 * time.Millisecond

// Stat implements [store.Store].
func (Store) Stat(ctx context.Context, name string) (store.Info, error) {
	path, err := store.Path(name)
	if err != nil {
		return store.Info{}, err
	}
	if ctx.Err() != nil {
		return store.Info{}, context.Cause(ctx)
	}
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case err != nil:
		return store.Info{}, err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return store.Info{}, store.ErrNotRegular
	}
	return store.Info{Size: st.Size, ModTime: time.Unix(0, st.Mtim.Nano()), Version: version(&st)}, nil
}

// version returns the version of a file. Index files contain its two numbers, see [index.Origin], so its format must
// not change.
func version(st *unix.Stat_t) store.Version {
	return store.Version(fmt.Sprintf("file:%d:%d", st.Mtim.Nano(), st.Ino))
}

// Size implements [store.Object].
func (o *Object) Size() int64 { return o.stat.Size }

// Version implements [store.Object].
func (o *Object) Version() store.Version { return version(&o.stat) }

// ModTime implements [store.Dated].
func (o *Object) ModTime() time.Time { return time.Unix(0, o.stat.Mtim.Nano()) }

// Unchanged implements [store.Object]: it compares size and modification time with those at Open.
func (o *Object) Unchanged(context.Context) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(o.file.Fd()), &st); err != nil {
		return err
	}
	if st.Size != o.stat.Size || st.Mtim != o.stat.Mtim {
		return store.ErrChanged
	}
	return nil
}

// Succeeds implements [store.Successor]. A write changes the change time, even if the modification time is set back
// afterwards. So do renames, links, and new owners or permissions; of these only a rename cannot be told from a write,
// and a file that was renamed and is found under its name again has been away meanwhile.
func (o *Object) Succeeds(was store.Object) bool {
	w, ok := was.(*Object)
	if !ok {
		return false
	}
	a, b := &w.stat, &o.stat
	return a.Ctim == b.Ctim || a.Nlink != b.Nlink || a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid
}

// ReadAt implements [store.Object].
func (o *Object) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	n, err := o.file.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = bare(err)
	}
	return n, err
}

// WillRead implements [store.Advisor]: the kernel starts to read the bytes into its page cache.
func (o *Object) WillRead(off, n int64) { unix.Fadvise(int(o.file.Fd()), off, n, unix.FADV_WILLNEED) }

// Descriptor implements [store.InKernel].
func (o *Object) Descriptor() int { return int(o.file.Fd()) }

// Close implements [store.Object].
func (o *Object) Close() error { return o.file.Close() }

// bare strips operation and path from errors of package os, because the caller knows the name that the user has given.
// It does so in all of several joined errors.
func bare(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, bare(err))
		}
		return errors.Join(all...)
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
