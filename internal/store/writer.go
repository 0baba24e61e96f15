package store

import (
	"context"
	"io"
)

// Options configures [Store.Create]. The zero value makes an object whose name must be free, and of which nothing is
// left unless it is committed.
type Options struct {
	// Replace says that the name may be taken; Commit then replaces that object. Without it that is ErrExists, from Create or
	// from Commit.
	Replace bool

	// Resumable says that what was written stays if the process is killed or calls Detach. Create returns
	// errors.ErrUnsupported if the store cannot do that.
	Resumable bool
}

// Writer is an object in the making. One of Commit, Abort and, if it is Resumable, Detach must be called. It is not
// safe for concurrent use.
type Writer interface {
	// Write appends. After an error the object can only be aborted or detached.
	io.Writer

	// Written returns how many bytes have been appended.
	Written() int64

	// Commit makes the object durable and gives it its name. If it fails, there is no new object, unless its error is
	// one of making the name durable.
	Commit(ctx context.Context) error

	// Abort leaves nothing of the object, also when the context of Create has ended. After Commit or Detach it does
	// nothing.
	Abort() error
}

// RangeCopier is a [Writer] that can append bytes of some other object without reading them.
type RangeCopier interface {
	// CopyRange appends n bytes of src from off on, by reading them where there is no other way.
	CopyRange(src io.ReaderAt, off, n int64) error
}

// Resumable is a [Writer] that can stop before it is done, for a [Resumer].
type Resumable interface {
	// TempName names what was written, to be given to OpenPart.
	TempName() string

	// Sync makes durable what was written so far. It may be called while another goroutine writes.
	Sync() error

	// Detach ends the writing and leaves what was written. After Commit or Abort it does nothing.
	Detach() error
}

// Resumer is a [Store] whose writers are [Resumable]. ResumerFor finds it among several.
type Resumer interface {
	// OpenPart opens what an unfinished writer of name has left under a TempName.
	OpenPart(ctx context.Context, name, temp string) (Object, error)

	// HasPart reports whether an unfinished writer has left anything of name.
	HasPart(ctx context.Context, name string) bool
}
