package overlay

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Open opens a file. Each Open must be followed by a Release. Write must be set if the file may be changed.
func (t *Tree) Open(ino view.Ino, write, truncate bool) error {
	var c *copied
	if write && !truncate {
		var err error
		if c, err = t.copyOut(ino); err != nil {
			return err
		}
		defer t.discard(c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if write || truncate {
		if _, err := t.copyUp(ino, c); err != nil {
			return err
		}
	}
	n := t.nodes[ino]
	if n == nil {
		t.opens[ino]++
		return nil
	}
	if err := t.use(n, write || truncate); err != nil {
		return err
	}
	if truncate {
		if err := ignoringEINTR(func() error { return unix.Ftruncate(int(n.file.Fd()), 0) }); err != nil {
			t.unuse(n)
			return err
		}
	}
	return nil
}

// use counts one more use of a node's file, and opens it for the first one. All users share one open file, so it is
// opened for writing if its mode allows that: the kernel checks the permissions of each user.
func (t *Tree) use(n *node, write bool) error {
	if n.dir {
		return unix.EISDIR
	}
	if n.file == nil || write && n.readOnly {
		at, err := t.path(n.ino)
		if err != nil {
			return err
		}
		fd, err := t.o.upper.open(at, unix.O_RDWR, 0)
		readOnly := err == unix.EACCES && !write
		if readOnly {
			fd, err = t.o.upper.open(at, unix.O_RDONLY, 0)
		}
		if err != nil {
			return err
		}
		if n.file == nil {
			n.file = os.NewFile(uintptr(fd), at)
		} else if err := errors.Join(unix.Dup3(fd, int(n.file.Fd()), unix.O_CLOEXEC), unix.Close(fd)); err != nil {
			return err
		}
		n.readOnly = readOnly
	}
	n.opens++
	return nil
}

// unuse ends one use of a node's file.
func (t *Tree) unuse(n *node) {
	if n.opens--; n.opens > 0 {
		return
	}
	if n.file != nil {
		n.file.Close()
		n.file = nil
	}
	t.release(n)
}

// Release ends one Open.
func (t *Tree) Release(ino view.Ino) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[ino]
	if n == nil {
		if t.opens[ino]--; t.opens[ino] <= 0 {
			delete(t.opens, ino)
		}
		return
	}
	t.unuse(n)
}

// File returns the file of the upper tree for an open file; nil for an unchanged file of the shard. It is valid until
// Release.
func (t *Tree) File(ino view.Ino) *os.File {
	f, err := t.changed(ino)
	if err != nil {
		return nil
	}
	return f
}

// openedFile returns the open file of a node.
func (t *Tree) openedFile(n *node) (*os.File, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n.file == nil {
		return nil, unix.EBADF
	}
	return n.file, nil
}

// changed returns the open file of a file that has a node. The error is EBADF for any other.
func (t *Tree) changed(ino view.Ino) (*os.File, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n == nil {
		return nil, unix.EBADF
	}
	return t.openedFile(n)
}

// ReadAt reads the content of a file. At its end it returns fewer bytes and no error. A changed file should be open,
// because otherwise each call opens it. If ctx ends during a read of the shard, the error is EINTR.
func (t *Tree) ReadAt(ctx context.Context, ino view.Ino, p []byte, off int64) (int, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n == nil {
		return t.view.ReadAt(ctx, ino, p, off)
	}
	f, err := t.openedFile(n)
	if err == unix.EBADF {
		if f, err = t.openForRead(ino); err == nil {
			defer f.Close()
		}
	}
	if err != nil {
		return 0, err
	}
	m, err := f.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return m, err
}

// openForRead opens a file of the upper tree for one call.
func (t *Tree) openForRead(ino view.Ino) (*os.File, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	at, err := t.path(ino)
	if err != nil {
		return nil, err
	}
	fd, err := t.o.upper.open(at, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), at), nil
}

// WriteAt writes to a file that is open for writing.
func (t *Tree) WriteAt(ino view.Ino, p []byte, off int64) (int, error) {
	f, err := t.changed(ino)
	if err != nil {
		return 0, err
	}
	return f.WriteAt(p, off)
}

// Sync makes the content of an open file durable.
func (t *Tree) Sync(ino view.Ino) error {
	f, err := t.changed(ino)
	if err == unix.EBADF {
		return nil // a file of the shard
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), t.syncManifest())
}

// SyncDir makes the names of what is in a directory durable.
func (t *Tree) SyncDir(ino view.Ino) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[ino]
	if n == nil || len(n.links) == 0 && ino != view.Root {
		return nil // of the shard, or deleted and only still open
	}
	at, err := t.path(ino)
	if err != nil {
		return err
	}
	fd, err := t.o.upper.open(at, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return errors.Join(ignoringEINTR(func() error { return unix.Fsync(fd) }), t.syncManifest())
}

// Allocate is fallocate(2) on a file that is open for writing.
func (t *Tree) Allocate(ino view.Ino, mode uint32, off, size int64) error {
	f, err := t.changed(ino)
	if err != nil {
		return err
	}
	return ignoringEINTR(func() error { return unix.Fallocate(int(f.Fd()), mode, off, size) })
}

// Seek is lseek(2) with SEEK_DATA or SEEK_HOLE on an open file.
func (t *Tree) Seek(ino view.Ino, off int64, whence int) (int64, error) {
	t.mu.RLock()
	n := t.nodes[ino]
	t.mu.RUnlock()
	if n == nil {
		return t.view.Seek(ino, off, whence)
	}
	f, err := t.openedFile(n)
	if err != nil {
		return 0, err
	}
	return unix.Seek(int(f.Fd()), off, whence) // nothing else depends on the file's position
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
