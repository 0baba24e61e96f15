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

// SchemeError is the ErrScheme of a name for whose scheme there is no store.
type SchemeError struct{ Scheme string }

func (e *SchemeError) Error() string {
	return fmt.Sprintf("%v: %s:// (known are paths and file://)", ErrScheme, e.Scheme)
}

func (e *SchemeError) Unwrap() error { return ErrScheme }

// Hint returns how other programs read and write names of the scheme.
func (e *SchemeError) Hint() string {
	ways := map[string][2]string{
		"http": {"curl -fsS URL", ""}, "https": {"curl -fsS URL", ""},
		"s3": {"aws s3 cp URL -", "aws s3 cp - URL"}, "gs": {"gcloud storage cat URL", "gcloud storage cp - URL"},
	}
	way, known := ways[e.Scheme]
	if !known {
		return "copy it to a file first, or pipe it into shardfs run, pack or check -"
	}
	hint := way[0] + " | shardfs run - ... (or pack -, check -)"
	if way[1] != "" {
		hint += "; to write, -o - | " + way[1]
	}
	return hint
}

// of returns the store for a name.
func (s *Schemes) of(name string) (Store, error) {
	scheme, _ := Split(name)
	st, ok := s.stores[scheme]
	if !ok {
		return nil, &SchemeError{Scheme: scheme}
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
