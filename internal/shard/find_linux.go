package shard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// ErrNotAtHand means that Options.AtHand or NoScan was set, and the index would have to be built.
var ErrNotAtHand = errors.New("not indexed yet")

// found is an index and where it was found.
type found struct {
	file   *index.File // nil: none
	mapped mapping     // mapping with the content of file; none if that is in memory
	moved  bool        // found beside or in the shard, and may have been copied there with the shard
	built  bool        // built by a scan of the shard
}

// place is a function that looks for an index in one place. If none there fits, it returns none. After an error the
// search ends.
type place func(ctx context.Context) (found, error)

// keeper saves an index that was built or found; nil if there is none to save. It is called once, possibly after Open
// has returned.
type keeper func(f *index.File) error

// findIndex returns the index of the shard: from the first place with one that fits, or from a scan.
func (s *Shard) findIndex(ctx context.Context) (found, error) {
	places, keep := s.places()
	for _, p := range places {
		f, err := p(ctx)
		if err != nil {
			return found{}, errors.Join(err, keep(nil))
		}
		if f.file == nil {
			continue
		}
		if !f.moved || s.likely {
			return f, keep(nil)
		}
		return s.kept(ctx, f, keep)
	}
	if s.o.NoScan || s.o.AtHand && store.IsRemote(s.path) {
		return found{}, errors.Join(ErrNotAtHand, keep(nil))
	}
	if s.o.AtHand {
		in := io.NewSectionReader(store.At(ctx, s.object), 0, s.object.Size())
		if format, err := codec.DetectAt(in); err != nil || format != codec.Plain {
			return found{}, errors.Join(ErrNotAtHand, err, keep(nil))
		}
	}
	if s.o.Growing {
		return s.grow(keep)
	}
	file, err := s.build(ctx)
	if err != nil {
		return found{}, errors.Join(err, keep(nil))
	}
	return s.kept(ctx, found{file: file, built: true}, keep)
}

// places returns the places to look for the index, in order, and the keeper for an index from elsewhere.
func (s *Shard) places() (places []place, keep keeper) {
	if s.o.Known != nil {
		places = append(places, s.adopt)
	}
	keep = func(*index.File) error { return nil }
	beside := []place{s.loadSidecar, s.loadEmbedded, s.loadForeign}
	switch {
	case s.o.NoIndex:
		return places, keep
	case s.o.IndexFile != "":
		return append(places, s.loadNamed), func(f *index.File) error {
			return saveTo(s.ctx, s.o.Store, f, s.o.IndexFile)
		}
	case s.o.CacheDir == "":
		return append(places, beside...), keep
	}
	c, err := openCache(s.o.CacheDir, s.o.Shared)
	if err != nil {
		s.o.Detail("%s: no index is kept: %v", s.Name, err)
		return append(places, beside...), keep
	}
	u := &cacheUse{s: s, cache: c, unlock: func() {}}
	if places = append(places, u.load); !s.o.AtHand && !s.o.NoScan { // this process may be the one that builds it
		places = append(places, u.wait)
	}
	return append(places, beside...), u.keep
}

// kept calls keep with an index and returns it. If the index is large, it is then mapped from the cache instead of held
// in memory.
func (s *Shard) kept(ctx context.Context, f found, keep keeper) (found, error) {
	err := keep(f.file)
	if err == nil && s.o.CacheDir != "" && !s.o.NoIndex && s.o.IndexFile == "" && f.file.Index.Rows() >= largeIndex {
		if c, err := openCache(s.o.CacheDir, s.o.Shared); err == nil {
			u := cacheUse{s: s, cache: c}
			if m, err := u.take(ctx); err == nil {
				f.file, f.mapped = m.file, m.mapped
			}
			c.Close()
		}
	}
	return f, err
}

// cacheUse is the use of the index cache while a shard is opened.
type cacheUse struct {
	s      *Shard
	cache  *indexCache
	unlock func() // releases the lock of the shard's entry
}

// load is the place in the cache.
func (u *cacheUse) load(ctx context.Context) (found, error) {
	f, err := u.take(ctx)
	switch {
	case err == nil:
		u.s.o.Detail("%s: index from %s", u.s.Name, f.mapped.name)
	case !errors.Is(err, fs.ErrNotExist):
		u.s.o.Detail("%s: %v", u.s.Name, err)
	}
	return f, final(err)
}

// wait waits for another process that is building the same index, and then looks in the cache again.
func (u *cacheUse) wait(ctx context.Context) (found, error) {
	unlock, err := u.cache.Lock(ctx, u.s.path)
	if ctx.Err() != nil {
		if err == nil {
			unlock()
		}
		return found{}, context.Cause(ctx)
	}
	if err != nil {
		u.s.o.Detail("%s: %v", u.s.Name, err)
		return found{}, nil
	}
	u.unlock = unlock
	f, err := u.take(ctx)
	if err == nil {
		u.s.o.Detail("%s: index from another process, which has just built it", u.s.Name)
	}
	return f, final(err)
}

// take loads the entry of the shard.
func (u *cacheUse) take(ctx context.Context) (found, error) {
	f, err := u.cache.Open(u.s.path)
	if err != nil {
		return found{}, err
	}
	defer f.Close()
	return u.s.load(ctx, f, true, false)
}

// keep is the keeper that writes to the cache and then closes it. It ignores errors.
func (u *cacheUse) keep(f *index.File) error {
	if f != nil {
		u.s.keep(u.cache, f)
	}
	u.unlock()
	u.cache.Close()
	return nil
}

// loadNamed is the place that the user has named. It fails if the file is not an index, because an index that is built
// replaces it.
func (s *Shard) loadNamed(ctx context.Context) (found, error) {
	f, err := s.loadFile(ctx, s.o.IndexFile)
	switch {
	case errors.Is(err, ErrNotIndex):
		return found{}, err
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.o.Detail("%s: %v", s.Name, err)
	}
	return f, nil
}

// loadSidecar is the place beside the shard. An index from there may be from another machine, and is verified as a
// whole before it is used.
func (s *Shard) loadSidecar(ctx context.Context) (found, error) {
	name := s.sidecar()
	f, err := s.loadBeside(ctx)
	if err == nil {
		if verifyErr := f.file.Verify(); verifyErr != nil {
			err = fmt.Errorf("%s: %w", store.Redact(name), verifyErr)
		}
	}
	switch {
	case err == nil:
		s.o.Detail("%s: index from %s", s.Name, store.Redact(name))
		return f, nil
	case errors.Is(err, index.ErrStale):
		s.o.Warn("%s: indexed anew: %v", s.Name, err)
	case errors.Is(err, store.ErrChanged):
		return found{}, err
	case !errors.Is(err, fs.ErrNotExist):
		s.o.Detail("%s: %v", s.Name, err)
	}
	return found{}, nil
}
