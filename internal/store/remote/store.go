package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
)

// Store is the store of a service. It is safe for concurrent use.
type Store struct {
	e *Engine
	s Service
}

// New returns the store of a service, with an engine that other stores may share.
func New(e *Engine, s Service) *Store { return &Store{e, s} }

// Open implements [store.Store]. One request tells all about an object, and gets its beginning.
func (s *Store) Open(ctx context.Context, name string) (store.Object, error) {
	t, err := s.locate(ctx, name)
	if err != nil {
		return nil, err
	}
	head := s.e.o.Cache.Buffer(headSize)
	defer head.Free()
	v, n, err := t.first(ctx, head.Bytes)
	if err != nil {
		return nil, err
	}
	if v.tag() == "" || !v.pin.Strong {
		s.e.host(t.home.URL).warned.Do(func() {
			s.e.o.Warn(t.home.URL.Hostname() + ": the server does not tell versions of objects apart for certain: " +
				"an overwritten shard is noticed only by its size or time")
		})
	}
	o := &Object{st: s, name: name, t: t, v: v, patience: store.Patience(ctx, s.e.o.Budget)}
	o.bytes = s.e.o.Cache.Open(o, ahead.Info{Size: v.size, Store: hostKey(t.home.URL), Key: o.key()})
	o.bytes.Begin(head, n)
	return o, nil
}

// locate returns what requests for an object are sent for.
func (s *Store) locate(ctx context.Context, name string) (*target, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	scheme, _ := store.Split(name)
	soon := time.AfterFunc(time.Second, func() { s.e.o.Detail("waiting for " + scheme + ":// to answer") })
	defer soon.Stop()
	p, err := s.s.Locate(ctx, name)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return newTarget(s.e, p), nil
}

// Stat implements [store.Store]. It gets one byte of the object, because that tells more than a HEAD: errors have a text,
// and a URL may be signed for GET only.
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	t, err := s.locate(ctx, name)
	if err != nil {
		return store.Info{}, err
	}
	v, _, err := t.first(ctx, make([]byte, 1))
	if err != nil {
		return store.Info{}, err
	}
	return store.Info{Size: v.size, ModTime: v.pin.ModTime, Version: v.tag()}, nil
}

// ReadOnly implements [store.ReadOnly].
func (s *Store) ReadOnly() bool {
	_, ok := s.s.(Uploader)
	return !ok
}

// List yields the objects whose names begin with prefix, sorted by the bytes of their names. The error is
// errors.ErrUnsupported if the service cannot list.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	l, ok := s.s.(Lister)
	if !ok {
		scheme, _ := store.Split(prefix)
		return func(yield func(store.Entry, error) bool) {
			yield(store.Entry{}, fmt.Errorf("%s:// cannot be listed: %w", scheme, errors.ErrUnsupported))
		}
	}
	return l.List(ctx, prefix, s.e.Do)
}

// first gets the first bytes of an object, and with them its version.
func (t *target) first(ctx context.Context, p []byte) (*version, int, error) {
	f := &fetch{t: t, p: p}
	changes, doubted := 0, false
	err := t.retry(ctx, func(ctx context.Context) (int, error) {
		was := f.n
		err := f.try(ctx)
		if isDoubtful(err) && !doubted {
			doubted = true
			err = f.try(ctx)
		}
		if errors.Is(err, errPlain) && !f.plain {
			f.plain = true
			err = f.try(ctx)
		}
		if isChange(err) && changes < 3 {
			// It was overwritten after its first bytes had come: begin again.
			changes++
			f = &fetch{t: t, p: p}
			return 0, &failure{host: t.home.URL.Hostname(), text: "overwritten while it was opened", again: often,
				kind: store.ErrUnreachable}
		}
		if err == nil && !f.want.matches(p[:f.n]) {
			f = &fetch{t: t, p: p}
			return 0, &failure{host: t.home.URL.Hostname(), text: "the checksum of the object does not match",
				again: once, kind: store.ErrUnreachable}
		}
		return f.n - was, err
	})
	if err != nil {
		return nil, 0, err
	}
	return f.want, f.n, nil
}

// isDoubtful reports whether an answer that there is no such object may be false.
func isDoubtful(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.doubt && errors.Is(f.kind, fs.ErrNotExist)
}

// isChange reports whether an error of a request for a known version may mean that there is another one.
func isChange(err error) bool {
	return errors.Is(err, store.ErrChanged) || errors.Is(err, errPinned)
}
