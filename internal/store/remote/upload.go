package remote

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// Errors of requests that write, for [Fault]. The engine knows the first by the status 412, too.
var (
	// ErrCondition means that the object at the name is not what the condition of the request says.
	ErrCondition = errors.New("another version is there")

	// ErrNoUpload means that there is no such upload: it was completed or aborted.
	ErrNoUpload = errors.New("the upload is gone")
)

// ErrNoBucket means that what should hold an object is not there. It is an fs.ErrNotExist.
var ErrNoBucket error = noBucket{}

type noBucket struct{}

func (noBucket) Error() string { return "no such bucket" }

func (noBucket) Is(target error) bool { return target == fs.ErrNotExist }

// Uploader is a [Service] whose objects can be written.
//
// What the services write is found again by a write id, a random text that each writer of an object gives it as a part of
// its metadata: a [Pin] has the WriteID of the version. The engine looks for it when the last request of a writer has no
// answer, or one that proves nothing.
type Uploader interface {
	Service

	// Upload returns how an object is written that gets a write id. It sends nothing; the Upload sends its requests with
	// send.
	Upload(ctx context.Context, name, writeID string, send Send) (Upload, error)
}

// UploadLister is an [Uploader] whose store lists uploads that were begun and not ended, so that those of killed processes
// are removed.
type UploadLister interface {
	Uploader

	// Unfinished returns the uploads of names that begin with prefix, by any process. The error is errors.ErrUnsupported if
	// the server is one that does not list them.
	Unfinished(ctx context.Context, prefix string, send Send) ([]Unfinished, error)
}

// Upload is how one object is written: by Put alone, or by Begin, some calls of Part, and Complete. Nothing is at the
// name before Put or Complete, which publish all at once. Part may be called by several goroutines at a time, all else by
// one. An error of a request is returned as it is, or wrapped.
//
// Put and Complete send one request, with Once. Where the store has no such condition, the error is errors.ErrUnsupported;
// the engine then looks before it calls them without.
type Upload interface {
	Limits() Limits

	// Put publishes the object by one request.
	Put(ctx context.Context, c *Content, on Condition) error

	// Begin begins an upload in parts, and returns its name for the other methods. A store that wants to know the condition
	// when an upload begins, and not at its end, gets it here. Copies says that parts may be copied, see [Copier].
	Begin(ctx context.Context, on Condition, copies bool) (upload string, err error)

	// Part sends a part. Its number counts from 1. The receipt is what Complete needs of it.
	Part(ctx context.Context, upload string, number int, c *Content) (receipt string, err error)

	// Complete publishes the object. Last is the content of the last part, which was not sent before, if Limits say so.
	Complete(ctx context.Context, upload string, parts []Part, last *Content, on Condition) error

	// Abort removes an upload. That there is none is no error.
	Abort(ctx context.Context, upload string) error
}

// PartLister is an [Upload] whose store lists the parts of unfinished uploads, so that an interrupted writer can be
// continued without sending them again.
type PartLister interface {
	Upload

	// Parts returns the parts that the store has, with Number, Size and Receipt. The error is ErrNoUpload if there is no
	// such upload.
	Parts(ctx context.Context, upload string) ([]Part, error)

	// Same reports whether a part that Parts has returned has a content of the same size.
	Same(p Part, c *Content) (bool, error)
}

// Limits are what a store wants of the parts of an upload. The zero value is that of a store which takes parts of 16 MiB
// and more in any order, and at least 10 000 of them.
type Limits struct {
	// InOrder says that a part is sent when the one before it was acknowledged.
	InOrder bool

	// LastCompletes says that the last part is sent by Complete.
	LastCompletes bool

	// Tells says that Begin is refused where writing is not permitted, and that Abort leaves nothing of it.
	Tells bool
}

// Part is a part of an upload that the store has acknowledged.
type Part struct {
	Number  int
	Size    int64
	CRC32C  uint32
	Receipt string
}

// Condition is what has to be at a name for an object to be published there. The zero value is no condition.
type Condition struct {
	Absent bool // nothing
	Was    *Pin // this version; nil for no condition
}

// Given reports whether there is a condition.
func (c Condition) Given() bool { return c != Condition{} }

// Unfinished is an upload that was begun and not ended.
type Unfinished struct {
	Name   string // of the object, as a user would write it
	Upload string // for Abort
	Begun  time.Time
}

// takenError is the [store.ErrBusy] of a writer which finds that another one has been there.
type takenError string

func (e takenError) Error() string { return string(e) }

func (takenError) Unwrap() error { return store.ErrBusy }

const (
	errTaken   takenError = "another process has written it meanwhile"
	errAborted takenError = "another process writes it, and has ended this upload"
)

// noDirError is the [store.ErrNoDir] of an object whose bucket is not there.
type noDirError struct{ err error }

func (e noDirError) Error() string { return e.err.Error() }

func (e noDirError) Is(target error) bool { return target == store.ErrNoDir }

func (e noDirError) Unwrap() error { return e.err }
