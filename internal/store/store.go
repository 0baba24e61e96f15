// Package store defines the interfaces of places that hold shards: from the names of shards to their bytes.
//
// An [Object] is one version of a stored shard, read at any offset. A [Writer] writes a new object, which appears under
// its name whole and durable, or not at all. A [Store] opens, creates and describes objects by name, and [ByScheme]
// combines several stores. A new store needs its own package, which must pass the suite of package storetest, and one
// line where the stores are combined.
//
// Abilities that not every store has are optional interfaces: [Advisor], [Cleaner], [Confirmer], [Copied], [Dated], [Exact],
// [Glancer], [InKernel], [InStore], [Lister], [RangeCopier], [ReadOnly], [Resumable], [Resumer], [Successor]. Only the store
// knows what a version consists of.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors about the name of an object, besides those of package fs.
var (
	ErrScheme     = errors.New("unknown kind of URL")
	ErrName       = errors.New("malformed") // a name, or a setting of the environment that its store needs
	ErrNotRegular = errors.New("not a regular file")
	ErrExists     = errors.New("output exists")
	ErrNoDir      = errors.New("no such directory")
)

// ErrBusy means that another process is writing the object.
var ErrBusy = errors.New("another process is writing it")

// ErrUnreachable means that a store does not answer, or not with what was asked for, however often it is asked. It says
// nothing about the object.
var ErrUnreachable = errors.New("the store cannot be reached")

// ErrChanged means that an object is no longer the version that was opened.
var ErrChanged = errors.New("it was changed since it was opened")

// Version distinguishes a version of an object from all earlier and later ones of the same name. Objects with the same
// name and Version have the same bytes, as far as the store knows. Only the store knows what a Version consists of; it
// is printable, and index files contain it. The empty Version means unknown.
type Version string

// Store holds objects by name. It is safe for concurrent use. Names are as the user writes them; errors do not contain
// the name. If ctx ends while a method waits, it soon returns the cause.
type Store interface {
	// Open opens an object for reading. The error is fs.ErrNotExist if there is none.
	Open(ctx context.Context, name string) (Object, error)

	// Create starts writing an object. Later writes also end with ctx, but Abort does not.
	Create(ctx context.Context, name string, o Options) (Writer, error)

	// Stat describes an object without opening it. It fails where Open would fail, as far as it can tell.
	Stat(ctx context.Context, name string) (Info, error)
}

// Info describes an object.
type Info struct {
	Size    int64 // bytes
	ModTime time.Time
	Version Version
}

// Entry is an object in a listing.
type Entry struct {
	Name string // as a user would write it, with the scheme
	Info        // Version may be empty
}

// Lister is a [Store] whose objects can be listed. ListerFor finds it among several.
type Lister interface {
	// List yields the objects whose names begin with prefix, sorted by the bytes of their names. An error ends the
	// sequence: fs.ErrNotExist if what should hold the objects is not there, errors.ErrUnsupported if the store cannot
	// list.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// ReaderAt is an [io.ReaderAt] with a context; [At] converts it.
type ReaderAt interface {
	// ReadAt reads len(p) bytes at off, like [io.ReaderAt]: it returns fewer only with an error, which is io.EOF at the
	// end. If ctx ends while it waits, it returns the cause.
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// Object is one version of a stored shard, open for reading. It is safe for concurrent use, except for Close.
type Object interface {
	ReaderAt

	// Size returns the size in bytes of the version that was opened.
	Size() int64

	// Version returns the version that was opened.
	Version() Version

	// Unchanged returns nil if the object is still the version that was opened. Otherwise the error is ErrChanged, or
	// one of finding out. If Unchanged returns nil, all bytes read before the call are those of the version. An object
	// whose reads never return bytes of another version may always return nil.
	Unchanged(ctx context.Context) error

	// Close ends the use of the object. Reads in progress are ended by their contexts, not by Close.
	Close() error
}

// Exact is an [Object] whose Version may prove its bytes, so that none need to be compared.
type Exact interface {
	// Exact reports whether objects of this name that have the same Version have the same bytes.
	Exact() bool
}

// Advisor is an [Object] that can prepare for reads.
type Advisor interface {
	// WillRead announces that n bytes at off will be read soon. It does not wait for them.
	WillRead(off, n int64)
}

// Glancer is an [Advisor] that fetches bytes ahead of reads.
type Glancer interface {
	// WillGlance is WillRead for bytes after which no others are likely to be read.
	WillGlance(off, n int64)
}

// InKernel is an [Object] that the kernel of this machine has open.
type InKernel interface {
	// Descriptor returns the number of the open file, which belongs to the object.
	Descriptor() int
}

// Dated is an [Object] that knows when it was last modified.
type Dated interface {
	// ModTime returns when the version that was opened was written.
	ModTime() time.Time
}

// At binds src to a context, for code that needs an [io.ReaderAt]. The result is safe for concurrent use if src is.
// Results for the same ctx and src compare equal, so code that reads from one may continue with another.
func At(ctx context.Context, src ReaderAt) io.ReaderAt { return Bound{ctx, src} }

// Bound is a [ReaderAt] with the context for its reads. A [RangeCopier] uses Source to find an object that it can copy
// from without reading.
type Bound struct {
	ctx context.Context
	src ReaderAt
}

// errShort means that a store has violated the contract of [ReaderAt]. Without this error, a caller that reads again
// might do so forever.
var errShort = errors.New("the store returned fewer bytes than requested, and no error")

// ReadAt implements [io.ReaderAt]. An empty read only asks whether the context has ended.
func (b Bound) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, context.Cause(b.ctx)
	}
	n, err := b.src.ReadAt(b.ctx, p, off)
	if err == nil && n < len(p) {
		err = errShort
	}
	return n, err
}

// Source returns the ReaderAt that was bound.
func (b Bound) Source() ReaderAt { return b.src }
