package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Schemes is a [Store] that passes each name to the store for its scheme.
type Schemes struct {
	stores map[string]func() Store
}

// ByScheme combines stores by the schemes of their names. The store for FileScheme also gets paths.
func ByScheme(stores map[string]Store) *Schemes {
	s := &Schemes{make(map[string]func() Store)}
	for scheme, st := range stores {
		s.Add(scheme, func() Store { return st })
	}
	return s
}

// Add adds a store, which is made when the first name of its scheme is used. It must not be called after that.
func (s *Schemes) Add(scheme string, build func() Store) { s.stores[scheme] = sync.OnceValue(build) }

// SchemeError is the ErrScheme of a name for whose scheme there is no store.
type SchemeError struct {
	Scheme string
	Known  []string // the schemes that there are, besides FileScheme
}

func (e *SchemeError) Error() string {
	known := "paths and file://"
	if n := len(e.Known); n > 0 {
		known = "paths, file://, " + strings.Join(e.Known, "://, ") + "://"
	}
	return fmt.Sprintf("%v: %s:// (known are %s)", ErrScheme, e.Scheme, known)
}

func (e *SchemeError) Unwrap() error { return ErrScheme }

// Hint returns what the user may have meant, or how other programs read names of the scheme.
func (e *SchemeError) Hint() string {
	for _, known := range e.Known {
		if isAlias(e.Scheme, known) {
			return fmt.Sprintf("did you mean %s://?", known)
		}
	}
	return "copy it to a file first, or pipe it into shardfs run, pack or check -"
}

// isAlias reports whether other programs, or a slip of the finger, call a scheme by another name.
func isAlias(name, scheme string) bool {
	aliases := map[string]string{
		"s3": "s3a s3n aws s3s", "gs": "gcs gsutil google", "az": "azure abfs abfss wasb wasbs azblob",
		"hf": "huggingface hub hfs", "swift": "swiftstack openstack", "ais": "aistore", "http": "htp htpp hhtp",
		"https": "htps htpps httsp hhtps",
	}
	name = strings.ToLower(name)
	return name == scheme || slices.Contains(strings.Fields(aliases[scheme]), name)
}

// ReadOnlyError is the error of Create in a store whose objects can only be read.
type ReadOnlyError struct{ Scheme string }

func (e *ReadOnlyError) Error() string { return fmt.Sprintf("%s:// cannot be written", e.Scheme) }

func (e *ReadOnlyError) Unwrap() error { return errors.ErrUnsupported }

// Hint returns how another program writes names of the scheme.
func (e *ReadOnlyError) Hint() string {
	ways := map[string]string{
		"http": "curl -fsST - URL", "https": "curl -fsST - URL",
	}
	if way, ok := ways[e.Scheme]; ok {
		return "-o - | " + way
	}
	return "write it to a file, and copy that"
}

// of returns the store for a name.
func (s *Schemes) of(name string) (Store, error) {
	scheme, _ := Split(name)
	st, ok := s.stores[scheme]
	if !ok {
		known := slices.Sorted(maps.Keys(s.stores))
		known = slices.DeleteFunc(known, func(scheme string) bool { return scheme == FileScheme })
		return nil, &SchemeError{scheme, known}
	}
	return st(), nil
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

// storeFor returns the store in st of a name. [Schemes] may be embedded in st.
func storeFor(st Store, name string) (Store, error) {
	if s, ok := st.(interface {
		of(name string) (Store, error)
	}); ok {
		return s.of(name)
	}
	return st, nil
}

// Known returns a [SchemeError] if there is no store in st for a name.
func Known(st Store, name string) error {
	_, err := storeFor(st, name)
	return err
}

// MayCreate returns an error if st does not create objects of that name's scheme: a [SchemeError] or [ReadOnlyError].
func MayCreate(st Store, name string) error {
	s, err := storeFor(st, name)
	if r, ok := s.(ReadOnly); ok && err == nil && r.ReadOnly() {
		scheme, _ := Split(name)
		err = &ReadOnlyError{scheme}
	}
	return err
}

// ResumerFor returns what opens the parts of unfinished writers of a name in st. It is false where the store of that
// name has no [Resumable] writers.
func ResumerFor(st Store, name string) (Resumer, bool) {
	s, _ := storeFor(st, name)
	r, ok := s.(Resumer)
	return r, ok
}

// ListerFor returns what lists the objects of the store in st of a name. It is false where that store cannot.
func ListerFor(st Store, name string) (Lister, bool) {
	s, _ := storeFor(st, name)
	l, ok := s.(Lister)
	return l, ok
}

// CopiesInStore reports whether two names are of one store in st that copies bytes from one of its objects to another.
func CopiesInStore(st Store, from, to string) bool {
	a, _ := storeFor(st, from)
	b, _ := storeFor(st, to)
	c, ok := b.(InStore)
	return ok && a == b && c.CopiesInStore()
}
