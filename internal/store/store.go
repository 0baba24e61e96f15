// Package store says what a place that holds shards can do: the interfaces between the names of shards and their
// bytes.
//
// An [Object] is one version of a stored shard, read at any offset. A [Writer] is an object in the making: it appears
// under its name whole and durable, or not at all. A [Store] opens, creates and describes objects by name, and
// [ByScheme] puts several together. A new store is a package of its own that passes the suite of package storetest,
// and one line where the stores are put together.
//
// What one store can do and another cannot is an optional interface beside the three: [Advisor], [Dated],
// [RangeCopier], [Resumable], [Resumer]. Nothing above this package knows what a version consists of.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// What can be wrong with the name of an object, besides the errors of package fs.
var (
	ErrScheme     = errors.New("unknown kind of URL")
	ErrNotRegular = errors.New("not a regular file")
	ErrExists     = errors.New("output exists")
	ErrNoDir      = errors.New("no such directory")
)

// ErrBusy means that another process is writing the object.
var ErrBusy = errors.New("another process is writing it")

// ErrChanged means that an object is no longer the version that was opened.
var ErrChanged = errors.New("it was changed since it was opened")

// Version distinguishes a version of an object from all others of that name, earlier or later. Equal versions of one
// name hold the same bytes, as far as the store knows. Only the store knows what it consists of; it is printable, and
// index files hold it. The empty Version is that of an object about which nothing is known.
type Version string

// Store holds objects by name. It is safe for concurrent use. Names are as the user writes them; their errors do not
// repeat the name. A method that waits returns the cause of ctx soon after ctx ends.
type Store interface {
	// Open opens an object for reading. A name that leads to nothing is fs.ErrNotExist.
	Open(ctx context.Context, name string) (Object, error)

	// Create starts an object. ctx also ends later writes to it, but not Abort.
	Create(ctx context.Context, name string, o Options) (Writer, error)

	// Stat describes an object without opening it. It refuses what Open would refuse, as far as that can be seen.
	Stat(ctx context.Context, name string) (Info, error)
}

// Info describes an object.
type Info struct {
	Size    int64 // bytes
	ModTime time.Time
	Version Version
}

// ReaderAt is what [At] makes an [io.ReaderAt] of.
type ReaderAt interface {
	// ReadAt reads len(p) bytes at off, like [io.ReaderAt]: it returns fewer only with an error, which is io.EOF at
	// the end. When ctx ends while it waits, it returns the cause.
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// Object is one version of a stored shard, open for reading. It is safe for concurrent use, except for Close.
type Object interface {
	ReaderAt

	// Size returns the size in bytes, which is that of the version that was opened.
	Size() int64

	// Version returns the version that was opened.
	Version() Version

	// Unchanged returns nil as long as the object still is the version that was opened, and else an error that is
	// ErrChanged, or one of finding out. Bytes that were read before Unchanged returns nil are those of the version; an
	// object whose reads never return bytes of another version need not ask anyone.
	Unchanged(ctx context.Context) error

	// Close ends the use of the object. Reads in progress are ended by their contexts, not by Close.
	Close() error
}

// Advisor is an [Object] that can make use of knowing what will be read soon.
type Advisor interface {
	// WillRead says that n bytes from off on will be read soon. It does not wait for them.
	WillRead(off, n int64)
}

// Dated is an [Object] that knows when it was last modified.
type Dated interface {
	// ModTime returns when the version that was opened was written.
	ModTime() time.Time
}

// At returns what reads src until ctx ends, for a reader that knows no contexts. The result is safe for concurrent use
// if src is. Results for the same ctx and src are equal, so that what reads one may go on with another.
func At(ctx context.Context, src ReaderAt) io.ReaderAt { return Bound{ctx, src} }

// Bound is a [ReaderAt] with the context that its reads have. A writer looks into it for an object that it can copy
// from without reading.
type Bound struct {
	ctx context.Context
	src ReaderAt
}

// errShort says that a store has broken the promise of [ReaderAt]. A reader that tried again might do so forever.
var errShort = errors.New("the store returned fewer bytes than were asked for, and no reason")

// ReadAt implements [io.ReaderAt].
func (b Bound) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.src.ReadAt(b.ctx, p, off)
	if err == nil && n < len(p) {
		err = errShort
	}
	return n, err
}

// Source returns what is read.
func (b Bound) Source() ReaderAt { return b.src }
