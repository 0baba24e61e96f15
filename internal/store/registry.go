package store

import (
	"context"
	"fmt"
	"maps"
)

// Schemes is a [Store] that passes each name to the store for its scheme.
type Schemes struct {
	stores map[string]Store
}

// ByScheme combines stores by the schemes of their names. The store for FileScheme also gets paths.
func ByScheme(stores map[string]Store) *Schemes { return &Schemes{maps.Clone(stores)} }

// of returns the store for a name.
func (s *Schemes) of(name string) (Store, error) {
	scheme, _ := Split(name)
	st, ok := s.stores[scheme]
	if !ok {
		return nil, fmt.Errorf("%w: %s://", ErrScheme, scheme)
	}
	return st, nil
}

// Open implements [Store].
func (s *Schemes) Open(ctx context.Context, name string) (Object, error) {
	st, err := s.of(name)
	if err != nil {
		return nil, err
	}
	return st.Open(ctx, name)
}

// Create implements [Store].
func (s *Schemes) Create(ctx context.Context, name string, o Options) (Writer, error) {
	st, err := s.of(name)
	if err != nil {
		return nil, err
	}
	return st.Create(ctx, name, o)
}

// Stat implements [Store].
func (s *Schemes) Stat(ctx context.Context, name string) (Info, error) {
	st, err := s.of(name)
	if err != nil {
		return Info{}, err
	}
	return st.Stat(ctx, name)
}

// ResumerFor returns what opens the parts of unfinished writers of a name in st. It is false where the store of that
// name has no [Resumable] writers.
func ResumerFor(st Store, name string) (Resumer, bool) {
	if s, ok := st.(*Schemes); ok {
		scheme, _ := Split(name)
		st = s.stores[scheme]
	}
	r, ok := st.(Resumer)
	return r, ok
}
