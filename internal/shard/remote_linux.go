package shard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// fetch is the content of an index file beside a remote shard, which is being fetched.
type fetch struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when b and err are set
	b      []byte
	err    error
}

// end ends the fetch of an index file that is not needed any more; nil is none.
func (f *fetch) end() {
	if f != nil {
		f.cancel()
		<-f.done
	}
}

// begin begins to fetch an index file.
func begin(ctx context.Context, read func(ctx context.Context) ([]byte, error)) *fetch {
	ctx, cancel := context.WithCancel(ctx)
	f := &fetch{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.b, f.err = read(ctx)
	}()
	return f
}

// fetchBeside begins to fetch the index files beside a remote shard, so that they come at the same time as the first
// bytes of the shard. Where there is an index in the cache, they are most likely not needed. The caller calls endFetches.
func (s *Shard) fetchBeside(ctx context.Context) {
	if !store.IsRemote(s.path) || s.o.NoIndex || s.o.IndexFile != "" || s.o.Known != nil || s.isCached() {
		return
	}
	s.beside = begin(ctx, s.readSidecar)
	s.fetchForeign(ctx)
}

// mustScan reports whether it is known before the shard is opened that its index is not at hand, for those who want no other.
// Only a compressed shard may have an index inside, and only its name tells that here.
func (s *Shard) mustScan() bool {
	object, _ := store.CutQuery(s.path)
	if !s.o.AtHand || s.beside == nil || !strings.HasSuffix(object, ".tar") {
		return false
	}
	<-s.beside.done
	return s.beside.err != nil
}

// endFetches ends the fetches that are not needed any more.
func (s *Shard) endFetches() {
	s.beside.end()
	for _, f := range s.foreign {
		f.end()
	}
	s.beside, s.foreign = nil, nil
}

// isCached reports whether the cache has an index for the name of the shard, of whatever version.
func (s *Shard) isCached() bool {
	if s.o.CacheDir == "" {
		return false
	}
	c, err := openCache(s.o.CacheDir, s.o.Shared)
	if err != nil {
		return false
	}
	defer c.Close()
	f, err := c.Open(s.path)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// sidecar returns the name of the shard's sidecar.
func (s *Shard) sidecar() string { return store.Beside(s.path, SidecarSuffix) }

// besidePatience is how long a store is tried for an index file that can be done without.
const besidePatience = 10 * time.Second

// fetched returns the sidecar of a remote shard, which may be being fetched.
func (s *Shard) fetched(ctx context.Context) ([]byte, error) {
	f := s.beside
	if f == nil {
		return s.readSidecar(ctx)
	}
	<-f.done
	return f.b, f.err
}

// readSidecar reads the sidecar of a remote shard.
func (s *Shard) readSidecar(ctx context.Context) ([]byte, error) {
	return s.readBeside(ctx, s.sidecar(), func(r io.ReaderAt, size int64) ([]byte, error) {
		return readWhole(r, size, maxInMemory)
	})
}

// readBeside reads an object of the shard's store by a function, which gets its bytes and its size.
func (s *Shard) readBeside(ctx context.Context, name string, read func(r io.ReaderAt, size int64) ([]byte, error)) (
	[]byte, error) {
	ctx = store.WithPatience(ctx, besidePatience)
	o, err := s.o.Store.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	defer o.Close()
	b, err := read(store.At(ctx, o), o.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	return b, o.Unchanged(ctx)
}

// final returns an error after which a shard is not opened: its store cannot be reached, or it was changed meanwhile. For
// any other it returns nil, and what could not be read is done without.
func final(err error) error {
	if errors.Is(err, store.ErrUnreachable) || errors.Is(err, store.ErrChanged) {
		return err
	}
	return nil
}
