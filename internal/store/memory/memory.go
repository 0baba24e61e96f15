// Package memory is a store in memory whose reads can be made to fail, so that tests can see how a reader behaves if a
// store is slow, wrong or gone.
//
// A version is the count of changes to an object. A [Fault] is called for each read and can shorten it, fail it, or
// block it until its context ends.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// Read describes a read to a [Fault].
type Read struct {
	Name string
	Off  int64
	Len  int
}

// Fault is called before each read of an object and returns the result of the read: the number of bytes and the error.
// Fewer bytes than requested and no error imitate a store that violates the contract of [store.Object]. A nil Fault
// changes nothing; neither does one that returns r.Len and nil. It may be called by several goroutines.
type Fault func(ctx context.Context, r Read) (n int, err error)

// Store is a store in memory. New makes one. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex // guards all below
	objects map[string]content
	writing map[string]bool
	parts   map[string][]byte // detached bytes, by TempName
	changes int
	fault   Fault
}

// content is one version of an object. Its bytes do not change.
type content struct {
	data    []byte
	version int
	made    time.Time
}

// New returns an empty store.
func New() *Store {
	return &Store{objects: make(map[string]content), writing: make(map[string]bool), parts: make(map[string][]byte)}
}

// Put sets the content of an object, as another process would.
func (s *Store) Put(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(name, bytes.Clone(data))
}

func (s *Store) put(name string, data []byte) {
	s.changes++
	s.objects[name] = content{data, s.changes, time.Now()}
}

// Remove removes an object, as another process would.
func (s *Store) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
}

// Names returns the sorted names of all objects and of unfinished ones.
func (s *Store) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Collect(maps.Keys(s.objects))
	all = slices.AppendSeq(all, maps.Keys(s.parts))
	for name := range s.writing {
		all = append(all, name+tempInfix)
	}
	slices.Sort(all)
	return all
}

// tempInfix follows the name of the object in a TempName.
const tempInfix = "#part-"

// SetFault sets the Fault for all further reads; nil means none. Reads that a Fault blocks already are not affected.
func (s *Store) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Blocked returns a Fault that blocks each read until its context ends, and a channel that receives each read that
// begins to wait.
func Blocked() (Fault, <-chan Read) {
	waiting := make(chan Read, 64)
	return func(ctx context.Context, r Read) (int, error) {
		select {
		case waiting <- r:
		default: // more reads than a test looks at
		}
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}, waiting
}

// object is an open object.
type object struct {
	content
	store *Store
	name  string
}

// Open implements [store.Store].
func (s *Store) Open(ctx context.Context, name string) (store.Object, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.objects[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &object{c, s, name}, nil
}

// Stat implements [store.Store].
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	if ctx.Err() != nil {
		return store.Info{}, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.objects[name]
	if !ok {
		return store.Info{}, fs.ErrNotExist
	}
	return store.Info{Size: int64(len(c.data)), ModTime: c.made, Version: c.tag()}, nil
}

func (c content) tag() store.Version { return store.Version(fmt.Sprintf("memory:%d", c.version)) }

// ReadAt implements [store.Object].
func (o *object) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if off < 0 {
		return 0, fmt.Errorf("read at %d: negative offset", off)
	}
	o.store.mu.Lock()
	fault := o.store.fault
	o.store.mu.Unlock()
	most := len(p)
	if fault != nil {
		n, err := fault(ctx, Read{o.name, off, len(p)})
		if err != nil || n < len(p) {
			n = copy(p[:n], o.data[min(off, int64(len(o.data))):])
			return n, err
		}
	}
	n := copy(p, o.data[min(off, int64(len(o.data))):])
	if n < most {
		return n, io.EOF
	}
	return n, nil
}

// Size implements [store.Object].
func (o *object) Size() int64 { return int64(len(o.data)) }

// Version implements [store.Object].
func (o *object) Version() store.Version { return o.tag() }

// ModTime implements [store.Dated].
func (o *object) ModTime() time.Time { return o.made }

// Unchanged implements [store.Object].
func (o *object) Unchanged(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	if now, ok := o.store.objects[o.name]; !ok || now.version != o.version {
		return store.ErrChanged
	}
	return nil
}

// Close implements [store.Object].
func (o *object) Close() error { return nil }

// writer writes a new object.
type writer struct {
	ctx     context.Context
	store   *Store
	name    string
	o       store.Options
	data    []byte
	written int64
	done    bool
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, name string, o store.Options) (store.Writer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[name]; ok && !o.Replace {
		return nil, store.ErrExists
	}
	if s.writing[name] {
		return nil, store.ErrBusy
	}
	s.writing[name] = true
	return &writer{ctx: ctx, store: s, name: name, o: o}, nil
}

// Write implements [store.Writer].
func (w *writer) Write(p []byte) (int, error) {
	switch {
	case w.done:
		return 0, fs.ErrClosed
	case w.ctx.Err() != nil:
		return 0, context.Cause(w.ctx)
	}
	w.data = append(w.data, p...)
	w.written += int64(len(p))
	return len(p), nil
}

// Written implements [store.Writer].
func (w *writer) Written() int64 { return w.written }

// Commit implements [store.Writer].
func (w *writer) Commit(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), w.Abort())
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if w.done {
		return fs.ErrClosed
	}
	w.end()
	if _, ok := w.store.objects[w.name]; ok && !w.o.Replace {
		return store.ErrExists
	}
	w.store.put(w.name, w.data)
	maps.DeleteFunc(w.store.parts, func(temp string, _ []byte) bool {
		return strings.HasPrefix(temp, w.name+tempInfix)
	})
	return nil
}

// end lets another writer begin. The caller holds the store's mutex.
func (w *writer) end() {
	w.done = true
	delete(w.store.writing, w.name)
}

// Abort implements [store.Writer].
func (w *writer) Abort() error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if !w.done {
		w.end()
	}
	return nil
}

// TempName implements [store.Resumable].
func (w *writer) TempName() string { return fmt.Sprintf("%s%s%p", w.name, tempInfix, w) }

// Sync implements [store.Resumable]: memory has nothing to make durable.
func (w *writer) Sync() error { return nil }

// Detach implements [store.Resumable].
func (w *writer) Detach() error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if w.done {
		return nil
	}
	w.end()
	if w.o.Resumable {
		w.store.parts[w.TempName()] = w.data
	}
	return nil
}

// OpenPart implements [store.Resumer].
func (s *Store) OpenPart(ctx context.Context, name, temp string) (store.Object, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.parts[temp]
	if !ok || !strings.HasPrefix(temp, name+tempInfix) {
		return nil, fs.ErrNotExist
	}
	return &object{content{data: data}, s, temp}, nil
}

// HasPart implements [store.Resumer].
func (s *Store) HasPart(_ context.Context, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for temp := range s.parts {
		if strings.HasPrefix(temp, name+tempInfix) {
			return true
		}
	}
	return false
}
