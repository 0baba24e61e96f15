package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shardfs/shardfs/index"
)

// found is an index, and where it was found.
type found struct {
	file   *index.File // nil: none
	mapped mapping     // that file is in; nil: in memory
	moved  bool        // it was beside the shard or in it, where it may have come with the shard from elsewhere
	built  bool        // by a scan of the shard
}

// place is somewhere an index may be. It returns none where there is none that fits. An error is a reason not to look
// further.
type place func(ctx context.Context) (found, error)

// keeper keeps an index that was built or found. The index is nil where building failed. It is called once, maybe when
// Open has returned.
type keeper func(f *index.File) error

// findIndex returns the index of the shard: from the first place that has one that fits, or by a scan.
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
		if !f.moved {
			return f, keep(nil)
		}
		return s.kept(ctx, f, keep)
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

// places returns where the index may be, in the order in which that is tried, and what keeps one that is not from
// there.
func (s *Shard) places() (places []place, keep keeper) {
	if s.o.Known != nil {
		places = append(places, s.adopt)
	}
	keep = func(*index.File) error { return nil }
	beside := []place{s.loadSidecar, s.loadEmbedded}
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
	c, err := openCache(s.o.CacheDir, cacheLimit)
	if err != nil {
		s.o.Detail("%s: no index is kept: %v", s.Name, err)
		return append(places, beside...), keep
	}
	u := &cacheUse{s: s, cache: c, unlock: func() {}}
	return append(append(places, u.load, u.wait), beside...), u.keep
}

// kept returns an index after it was kept. A large one is then mapped from the cache instead of held in memory.
func (s *Shard) kept(ctx context.Context, f found, keep keeper) (found, error) {
	err := keep(f.file)
	if err == nil && s.o.CacheDir != "" && !s.o.NoIndex && s.o.IndexFile == "" && f.file.Index.Rows() >= largeIndex {
		if c, err := openCache(s.o.CacheDir, cacheLimit); err == nil {
			u := cacheUse{s: s, cache: c}
			if m, err := u.take(ctx); err == nil {
				f.file, f.mapped = m.file, m.mapped
			}
			c.Close()
		}
	}
	return f, err
}

// cacheUse is the index cache while a shard is opened.
type cacheUse struct {
	s      *Shard
	cache  *indexCache
	unlock func() // releases the lock of the shard's entry
}

// load is the place that the cache is.
func (u *cacheUse) load(ctx context.Context) (found, error) {
	f, err := u.take(ctx)
	switch {
	case err == nil:
		u.s.o.Detail("%s: index from %s", u.s.Name, f.mapped.name)
	case !errors.Is(err, fs.ErrNotExist):
		u.s.o.Detail("%s: %v", u.s.Name, err)
	}
	return f, nil
}

// wait is the cache once more, after another process that builds the same index has ended.
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
		u.s.o.Detail("%s: index from another process, which has just made it", u.s.Name)
	}
	return f, nil
}

// take loads the entry of the shard.
func (u *cacheUse) take(ctx context.Context) (found, error) {
	f, err := u.cache.Open(u.s.path)
	if err != nil {
		return found{}, err
	}
	defer f.Close()
	return u.s.load(ctx, f, true, index.Origin.Same)
}

// keep is the keeper of the cache, which ends the use of it. That an index is not kept is no error.
func (u *cacheUse) keep(f *index.File) error {
	if f != nil {
		u.s.keep(u.cache, f)
	}
	u.unlock()
	u.cache.Close()
	return nil
}

// loadNamed is the place that the user has named. An index is made there if there is none, so it may be nothing else.
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

// loadSidecar is the place beside the shard. An index there was made elsewhere, and is read whole before it is used.
func (s *Shard) loadSidecar(ctx context.Context) (found, error) {
	name := s.path + SidecarSuffix
	f, err := s.loadBeside(ctx, name)
	if err == nil {
		if verifyErr := f.file.Verify(); verifyErr != nil {
			err = fmt.Errorf("%s: %w", name, verifyErr)
		}
	}
	switch {
	case err == nil:
		s.o.Detail("%s: index from %s", s.Name, name)
		return f, nil
	case !errors.Is(err, fs.ErrNotExist):
		s.o.Detail("%s: %v", s.Name, err)
	}
	return found{}, nil
}
