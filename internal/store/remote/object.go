package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
)

// Object is one version of an object of a service. It is safe for concurrent use.
//
// Every answer is compared with that version before a byte of it is handed on. When there is another version, or none any
// more, all further reads return ErrChanged, also of bytes that are at hand.
type Object struct {
	st      *Store
	name    string // as it was opened
	t       *target
	v       *version
	bytes   *ahead.Object
	changed atomic.Pointer[changedError]

	patience time.Duration // of Open; see store.WithPatience
}

var (
	_ store.Object    = (*Object)(nil)
	_ store.Advisor   = (*Object)(nil)
	_ store.Dated     = (*Object)(nil)
	_ store.Confirmer = (*Object)(nil)
	_ store.Glancer   = (*Object)(nil)
)

// Size implements [store.Object].
func (o *Object) Size() int64 { return o.v.size }

// Version implements [store.Object].
func (o *Object) Version() store.Version { return o.v.tag() }

// ModTime implements [store.Dated]. It is zero if the server does not tell.
func (o *Object) ModTime() time.Time { return o.v.pin.ModTime }

// Exact reports whether objects of this name that have the same Version have the same bytes.
func (o *Object) Exact() bool { return o.v.pin.Strong }

// key names the bytes of the object, if the server tells versions apart for certain. The query counts, because a server may
// have objects that differ in it alone.
func (o *Object) key() string {
	if !o.Exact() || o.Version() == "" {
		return ""
	}
	u := *o.t.home.URL
	u.User = nil
	return u.String() + "\x00" + string(o.Version())
}

// Close implements [store.Object].
func (o *Object) Close() error { return o.bytes.Close() }

// ReadAt implements [store.Object].
func (o *Object) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err := o.changed.Load(); err != nil {
		return 0, err
	}
	return o.bytes.ReadAt(ctx, p, off)
}

// WillRead implements [store.Advisor].
func (o *Object) WillRead(off, n int64) {
	if o.changed.Load() == nil {
		o.bytes.WillRead(off, n)
	}
}

// WillGlance implements [store.Glancer].
func (o *Object) WillGlance(off, n int64) {
	if o.changed.Load() == nil {
		o.bytes.WillGlance(off, n)
	}
}

// Fetch implements [ahead.Source]. All len(p) bytes at off must be in the object. Got may be nil.
func (o *Object) Fetch(ctx context.Context, p []byte, off int64, got func(n int)) error {
	if err := o.changed.Load(); err != nil {
		return err
	}
	if off < 0 || off > o.v.size-int64(len(p)) {
		return fmt.Errorf("%d bytes at %d of %d: %w", len(p), off, o.v.size, io.ErrUnexpectedEOF)
	}
	if len(p) == 0 {
		return nil
	}
	ctx = store.WithPatience(ctx, o.patience)
	f := &fetch{t: o.t, p: p, off: off, want: o.v, got: got}
	try := func(ctx context.Context) (int, error) {
		was := f.n
		err := f.try(ctx)
		return f.n - was, err
	}
	err := o.t.retry(ctx, try)
	if isGone(err) {
		if err = o.why(ctx, err); isGone(err) {
			err = o.t.retry(ctx, try)
		}
		var f *failure
		if isGone(err) && errors.As(err, &f) {
			err = &failure{host: f.host, text: f.text + ", but it has the version", kind: store.ErrUnreachable,
				again: never}
		}
	}
	return o.note(err)
}

// isGone reports whether an error of a request for a known version may mean that there is another one, or none.
func isGone(err error) bool { return errors.Is(err, errPinned) || errors.Is(err, fs.ErrNotExist) }

// why asks for any version of an object whose version is said not to be there. It returns the error if that is there.
func (o *Object) why(ctx context.Context, gone error) error {
	now, _, err := newTarget(o.t.e, o.t.home).first(ctx, make([]byte, 1))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &changedError{"deleted while in use"}
	case err != nil:
		return err
	}
	if err := differs(o.v, now); err != nil {
		return err
	}
	return gone
}

// note remembers that the object has changed.
func (o *Object) note(err error) error {
	var changed *changedError
	if errors.As(err, &changed) {
		o.changed.CompareAndSwap(nil, changed)
		return changed
	}
	return err
}

// Unchanged implements [store.Object]. It asks nobody: each answer was compared with the version.
func (o *Object) Unchanged(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := o.changed.Load(); err != nil {
		return err
	}
	return nil
}

// Confirm implements [store.Confirmer].
func (o *Object) Confirm(ctx context.Context) error {
	if err := o.Unchanged(ctx); err != nil {
		return err
	}
	now, _, err := newTarget(o.t.e, o.t.home).first(ctx, make([]byte, 1))
	if errors.Is(err, fs.ErrNotExist) {
		err = &changedError{"deleted while in use"}
	} else if err == nil {
		err = differs(o.v, now)
	}
	return o.note(err)
}
