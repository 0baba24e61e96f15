package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shardfs/shardfs/internal/store"
)

// Commit implements [store.Writer].
func (w *writer) Commit(ctx context.Context) error {
	if w.done {
		return fs.ErrClosed
	}
	err := context.Cause(ctx)
	if err == nil {
		err = w.commit(ctx)
	}
	w.end()
	if err != nil {
		w.remove()
		err = w.settle(ctx, w.explain(err))
	} else {
		w.forget(context.WithoutCancel(ctx))
		w.replaced(ctx)
	}
	if spoolErr := w.removeSpool(err == nil); spoolErr != nil {
		w.e.o.Warn(fmt.Sprintf("the file with the bytes of an output was not removed: %v", spoolErr))
	}
	return err
}

// settle looks a last time whether the object was published, when the uploads are removed that could still publish it. It
// returns err if it was not.
func (w *writer) settle(ctx context.Context, err error) error {
	if !w.tried || errors.Is(err, store.ErrBusy) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.e.o.Ending)
	defer cancel()
	if now, lookErr := w.lookForID(ctx); lookErr == nil && w.isOurs(now) {
		return nil
	}
	return err
}

// commit sends what is left and publishes the object.
func (w *writer) commit(ctx context.Context) error {
	last, err := w.last()
	if err != nil {
		return err
	}
	return newTarget(w.e, w.place).retry(ctx, func(ctx context.Context) (int, error) {
		if w.refused > 1 { // once may be another writer that has given up
			if err := w.unconditional(ctx); err != nil {
				return 0, err
			}
		}
		w.tried = true
		err := last(ctx)
		if errors.Is(err, errors.ErrUnsupported) && w.on.Given() {
			if err = w.unconditional(ctx); err == nil {
				err = last(ctx)
			}
		}
		switch {
		case err == nil && w.transfer.upload == "":
			return 0, nil // the answer to a request that was sent once, for which there is no other reason
		case err == nil, errors.Is(err, ErrCondition), errors.Is(err, ErrNoUpload), !isFinal(err):
			return 0, w.confirm(ctx, err)
		}
		return 0, err
	})
}

// last returns the last request, after all others were acknowledged.
func (w *writer) last() (func(ctx context.Context) error, error) {
	if w.transfer.upload == "" {
		c := BytesContent(nil)
		if w.now != nil {
			c = w.now.content()
		}
		return func(ctx context.Context) error { return w.up.Put(ctx, c, w.on) }, nil
	}
	var rest *Content
	switch {
	case w.now == nil:
	case w.transfer.limits.LastCompletes:
		rest = w.now.content()
	default:
		if err := w.flush(); err != nil {
			return nil, err
		}
	}
	parts, err := w.transfer.wait()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return w.up.Complete(ctx, w.transfer.upload, parts, rest, w.on) }, nil
}

// unconditional looks whether the name stands for what it did at the beginning, and lets the last request go without a
// condition, because the store does not know it, or says that it is not met although it is: Swift of If-Match.
func (w *writer) unconditional(ctx context.Context) error {
	w.weak("the store does not publish on condition")
	w.on, w.refused = Condition{}, 0
	now, err := w.look(ctx)
	if err == nil && !w.isAsBefore(now) {
		err = errTaken
	}
	return err
}

// confirm looks whether the object was published by a last request, which has not told so for certain: it has ended with
// err, or says that it has published, which some servers say of uploads that are gone, too.
func (w *writer) confirm(ctx context.Context, err error) error {
	now, lookErr := w.lookForID(ctx)
	switch {
	case lookErr != nil:
		return fmt.Errorf("whether it was published is not known: %w", lookErr)
	case w.isOurs(now):
		return nil
	case !w.isAsBefore(now):
		return errTaken
	case errors.Is(err, ErrNoUpload):
		return errAborted
	case err == nil:
		err = &failure{host: w.place.URL.Hostname(), text: "the server says that it has published, and has not"}
	}
	if errors.Is(err, ErrCondition) && w.on.Was != nil {
		w.refused++
	}
	var f *failure
	if errors.As(err, &f) {
		f.again, f.kind = often, store.ErrUnreachable
	}
	return err
}

// isOurs reports whether a version is what this writer has written; nil is none.
func (w *writer) isOurs(now *version) bool {
	return now != nil && now.pin.WriteID == w.writeID && now.size == w.written
}

// isAsBefore reports whether a version is the one that had the name at the beginning; nil is none.
func (w *writer) isAsBefore(now *version) bool {
	if now == nil || w.was == nil {
		return now == w.was
	}
	return differs(w.was, now) == nil
}
