package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// Options configures [Store.Create]. With the zero value the name must be free, and nothing of the object is kept
// unless it is committed.
type Options struct {
	// Replace lets Commit replace an existing object. Without it, Create or Commit returns ErrExists if the name is
	// taken. A store without locks returns ErrBusy if the object was made, or replaced, after Create by another writer.
	Replace bool

	// Resumable keeps the written bytes if the process is killed or calls Detach. Create returns errors.ErrUnsupported
	// if the store cannot do that.
	Resumable bool

	// PartDir is the directory of a Resumable writer of a store that keeps no bytes of unfinished objects itself: a file
	// there has them. Without it, such a store has no Resumable writers.
	PartDir string

	// Continue is the TempName of an unfinished Resumable writer of the same object. What it has sent to a store is not
	// sent again, as far as the same bytes are written. It may be gone. It has no effect on what Written counts.
	Continue string

	// Guarded keeps other users from writing to the object, whatever the umask permits, and does not write it to where
	// a link of that name leads.
	Guarded bool

	// Try finds out in Create whether the object may be written, if the store tells that before the end.
	Try bool

	// Weak, if not nil, is called with a reason where the store cannot give a guarantee of a Writer.
	Weak func(why string)
}

// Writer writes a new object. The caller must call Commit, Abort or, if it is Resumable, Detach. A Writer is not safe
// for concurrent use.
type Writer interface {
	// Write appends. After an error only Abort and Detach may be called.
	io.Writer

	// Written returns how many bytes have been appended.
	Written() int64

	// Commit makes the object durable and gives it its name. If it fails, there is no new object, unless only making
	// the name durable has failed.
	Commit(ctx context.Context) error

	// Abort discards the object, even if the context of Create has ended. After Commit or Detach it does nothing.
	Abort() error
}

// ReadOnly is a [Store] that may be unable to create objects. MayCreate finds it among several.
type ReadOnly interface {
	// ReadOnly reports whether the store creates no objects.
	ReadOnly() bool
}

// RangeCopier is a [Writer] that can append bytes of another object without reading them.
type RangeCopier interface {
	// CopyRange appends n bytes of src at off. It reads them if there is no other way. An error is a [WriteError] if it
	// is known to be about what is written.
	CopyRange(src io.ReaderAt, off, n int64) error
}

// WriteError is an error of CopyRange that is not about the source.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return e.Err.Error() }

func (e *WriteError) Unwrap() error { return e.Err }

// InStore is a [Store] that may copy bytes from one of its objects to another, so that they do not pass through this
// machine. CopiesInStore finds it among several. Its writers are [RangeCopier] and tell what they have Copied.
type InStore interface {
	// CopiesInStore reports whether it does.
	CopiesInStore() bool
}

// Copied is a [Writer] of an [InStore].
type Copied interface {
	// Copied returns how many bytes the store has copied so far.
	Copied() int64
}

// Resumable is a [Writer] that can stop before the object is complete, for a [Resumer] to read the part.
type Resumable interface {
	// TempName returns the temporary name of the written bytes, for OpenPart.
	TempName() string

	// Sync makes the bytes written so far durable. It may be called while another goroutine writes.
	Sync() error

	// Detach ends the writing and keeps the written bytes. After Commit or Abort it does nothing.
	Detach() error
}

// Resumer is a [Store] whose writers are [Resumable]. ResumerFor finds it among several.
type Resumer interface {
	// OpenPart opens the bytes that an unfinished writer of name has left under its TempName.
	OpenPart(ctx context.Context, name, temp string) (Object, error)

	// HasPart reports whether an unfinished writer of name has left bytes.
	HasPart(ctx context.Context, name string) bool
}

// PartFile returns what the file of a [Resumable] writer in Options.PartDir is named after: it is its temporary file.
func PartFile(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "output-" + hex.EncodeToString(sum[:8])
}
