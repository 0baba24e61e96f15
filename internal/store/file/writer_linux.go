package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/store"
)

// writebackStep is how many bytes are written before the kernel is asked to start writing them to disk, so that the
// fsync at the end has little left to do.
const writebackStep = 8 << 20

// writer writes a new file. The file has a temporary name beside its final one until Commit, and is locked: a second
// process that writes the same file gets [store.ErrBusy].
type writer struct {
	ctx     context.Context // of Create; writes fail after it has ended
	file    *atomicfile.File
	dir     *os.File
	written int64 // bytes written
	flushed int64 // bytes that the kernel has been asked to write to disk
}

// Create implements [store.Store]. It removes temporary files that killed processes have left of the same output,
// except resumable ones, which the next Commit removes. Symbolic links of the name are followed, see
// [atomicfile.Follow]. The writer is a *writer.
func (Store) Create(ctx context.Context, name string, o store.Options) (store.Writer, error) {
	path, err := store.Path(name)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !o.Guarded {
		if path, err = atomicfile.Follow(path); err != nil {
			return nil, err
		}
	}
	switch info, err := os.Lstat(path); {
	case err == nil && !o.Replace:
		return nil, store.ErrExists
	case err == nil && !info.Mode().IsRegular():
		return nil, store.ErrNotRegular
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR):
		return nil, bare(err) // earlier than Commit would find out
	}
	dir, base, err := openParent(path)
	if err != nil {
		return nil, err
	}
	created := atomicfile.Options{Replace: o.Replace, Resumable: o.Resumable, Weak: o.Weak}
	if o.Guarded {
		created.Perm = 0o644
	}
	f, err := atomicfile.Create(dir, base, created)
	if err != nil {
		dir.Close()
		return nil, asStoreError(err)
	}
	return &writer{ctx: ctx, file: f, dir: dir}, nil
}

// openParent opens the directory that a file is in, and returns the file's name there. It follows links of the name.
func openParent(path string) (dir *os.File, base string, err error) {
	if path, err = atomicfile.Follow(path); err != nil {
		return nil, "", err
	}
	parent := filepath.Dir(path)
	dir, err = os.OpenFile(parent, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, "", fmt.Errorf("%w: %s", store.ErrNoDir, parent)
	}
	return dir, filepath.Base(path), bare(err)
}

// asStoreError converts errors of package atomicfile to those of package store.
func asStoreError(err error) error {
	switch {
	case errors.Is(err, atomicfile.ErrBusy):
		return store.ErrBusy
	case errors.Is(err, fs.ErrExist):
		return store.ErrExists
	}
	return bare(err)
}

// Write implements [store.Writer].
func (w *writer) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	n, err := w.file.Write(p)
	w.wrote(int64(n))
	return n, bare(err)
}

// Written implements [store.Writer].
func (w *writer) Written() int64 { return w.written }

// CopyRange implements [store.RangeCopier]. If src is an [Object], it copies inside the kernel: copying through a
// buffer takes twice the processor time.
func (w *writer) CopyRange(src io.ReaderAt, off, n int64) error {
	object := objectOf(src)
	for object != nil && n > 0 {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		m, err := unix.CopyFileRange(int(object.file.Fd()), &off, int(w.file.Fd()), nil, int(min(n, writebackStep)), 0)
		if err != nil || m == 0 {
			break // another file system, or the end of src: the copy below works, or returns the error
		}
		w.wrote(int64(m))
		n -= int64(m)
	}
	m, err := io.Copy(onlyWriter{w}, io.NewSectionReader(src, off, n))
	if err == nil && m < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// objectOf returns the Object that src reads; nil if src reads something else.
func objectOf(src io.ReaderAt) *Object {
	bound, ok := src.(interface{ Source() store.ReaderAt })
	if !ok {
		return nil
	}
	object, _ := bound.Source().(*Object)
	return object
}

// onlyWriter hides all methods except Write from [io.Copy].
type onlyWriter struct{ io.Writer }

func (w *writer) wrote(n int64) {
	w.written += n
	if w.written-w.flushed >= writebackStep {
		// Errors can be ignored: fsync would return them, too.
		unix.SyncFileRange(int(w.file.Fd()), w.flushed, w.written-w.flushed, unix.SYNC_FILE_RANGE_WRITE)
		w.flushed = w.written
	}
}

// Commit implements [store.Writer].
func (w *writer) Commit(ctx context.Context) error {
	err := context.Cause(ctx)
	if err == nil {
		err = w.checkSize()
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	return errors.Join(asStoreError(w.file.Commit()), w.close())
}

// checkSize returns an error if the size of the file is not the number of bytes written.
func (w *writer) checkSize() error {
	info, err := w.file.Stat()
	if err != nil {
		return bare(err)
	}
	if info.Size() != w.written {
		return fmt.Errorf("the file has %d bytes after %d were written", info.Size(), w.written)
	}
	return nil
}

// close closes the directory once.
func (w *writer) close() error {
	dir := w.dir
	if w.dir = nil; dir == nil {
		return nil
	}
	return bare(dir.Close())
}

// Abort implements [store.Writer].
func (w *writer) Abort() error { return errors.Join(bare(w.file.Abort()), w.close()) }

// TempName implements [store.Resumable]. The name is that of a file beside the output.
func (w *writer) TempName() string { return w.file.Name() }

// Sync implements [store.Resumable].
func (w *writer) Sync() error { return bare(w.file.Sync()) }

// Detach implements [store.Resumable].
func (w *writer) Detach() error { return errors.Join(bare(w.file.Detach()), w.close()) }

// OpenPart implements [store.Resumer].
func (Store) OpenPart(ctx context.Context, name, temp string) (store.Object, error) {
	path, err := store.Path(name)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dir, base, err := openParent(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := atomicfile.OpenPart(dir, base, temp)
	if err != nil {
		return nil, err
	}
	return newObject(f)
}

// HasPart implements [store.Resumer].
func (Store) HasPart(_ context.Context, name string) bool {
	path, err := store.Path(name)
	if err != nil {
		return false
	}
	dir, base, err := openParent(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	for _, err := range atomicfile.Parts(dir, base) {
		return err == nil
	}
	return false
}
