package shard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// SidecarSuffix is what is appended to a shard's name for that of the index file beside it.
const SidecarSuffix = ".sfidx"

// ErrNotIndex says that the file that was named for the index is another one, which is not to be lost.
var ErrNotIndex = errors.New("not an index file, and not replaced by one")

// mapping is an index file mapped into memory.
type mapping []byte

func (m mapping) close() error {
	if m == nil {
		return nil
	}
	return unix.Munmap(m)
}

func (m mapping) drop() {
	if m != nil {
		unix.Madvise(m, unix.MADV_DONTNEED) // of a file, whose pages stay in the page cache
	}
}

// findIndex puts the index into place: from the first index file that fits, or by a pass over the shard.
func (s *Shard) findIndex(ctx context.Context) (err error) {
	switch {
	case s.o.Known != nil && s.adopt(s.o.Known):
		return nil
	case s.o.NoIndex:
		return s.buildAnd(ctx, func(*index.File) {})
	case s.o.IndexFile != "":
		if err := s.loadFile(s.o.IndexFile); err == nil {
			return nil
		} else if errors.Is(err, ErrNotIndex) {
			return err
		} else if !errors.Is(err, fs.ErrNotExist) {
			s.o.Detail("%s: %v", s.Name, err)
		}
		var saveErr error
		if s.o.Growing { // nobody would be told of an index that cannot be written
			s.o.Growing = false
		}
		err := s.buildAnd(ctx, func(f *index.File) { saveErr = saveTo(s.ctx, s.o.Store, f, s.o.IndexFile) })
		return errors.Join(err, saveErr)
	case s.o.CacheDir == "":
		if s.loadFound() {
			return nil
		}
		return s.buildAnd(ctx, func(*index.File) {})
	}
	c, err := openCache(s.o.CacheDir, cacheLimit)
	if err != nil {
		s.o.Detail("%s: no index is kept: %v", s.Name, err)
		if s.loadFound() {
			return nil
		}
		return s.buildAnd(ctx, func(*index.File) {})
	}
	if s.loadCached(c, s.o.Detail) {
		return c.Close()
	}
	// Whoever is building the same index now is waited for.
	unlock, err := c.Lock(ctx, s.path)
	if ctx.Err() != nil {
		if err == nil {
			unlock()
		}
		return errors.Join(context.Cause(ctx), c.Close())
	}
	if err != nil {
		s.o.Detail("%s: %v", s.Name, err)
		unlock = func() {}
	} else if s.loadCached(c, func(string, ...any) {}) {
		s.o.Detail("%s: index from another process, which has just made it", s.Name)
		unlock()
		return c.Close()
	}
	keep := func(f *index.File) {
		if f != nil {
			s.keep(c, f)
			// A large index is better mapped than held in memory.
			if !s.o.Growing && f.Index.Rows() >= largeIndex {
				s.loadCached(c, func(string, ...any) {})
			}
		}
		unlock()
		c.Close()
	}
	if s.loadFound() {
		keep(s.File)
		return nil
	}
	return s.buildAnd(ctx, keep)
}

// buildAnd builds the index and hands it on, in the background where that is wanted; nil where there is none.
func (s *Shard) buildAnd(ctx context.Context, done func(*index.File)) error {
	if s.o.Growing {
		return s.grow(done)
	}
	f, err := s.build(ctx)
	s.File, s.Indexed = f, true
	done(f)
	return err
}

// loadCached takes the index that the cache has.
func (s *Shard) loadCached(c *indexCache, detail func(format string, args ...any)) bool {
	f, err := c.Open(s.path)
	if err == nil {
		defer f.Close()
		if err = s.load(f, true, index.Origin.Same); err == nil {
			detail("%s: index from %s", s.Name, f.Name())
			return true
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		detail("%s: %v", s.Name, err)
	}
	return false
}

// loadFound takes the index that lies beside the shard or in it. It was made elsewhere, and is read whole before it is used.
func (s *Shard) loadFound() bool {
	sidecar := s.path + SidecarSuffix
	err := s.loadSidecar(sidecar)
	if err == nil {
		if err = s.Verify(); err != nil {
			err = fmt.Errorf("%s: %w", sidecar, err)
		}
	}
	if err == nil {
		s.o.Detail("%s: index from %s", s.Name, sidecar)
		s.found = true
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.o.Detail("%s: %v", s.Name, err)
	}
	s.File = nil
	if s.loadEmbedded() && s.Verify() == nil {
		s.o.Detail("%s: index from the shard itself", s.Name)
		s.found = true
		return true
	}
	s.File = nil
	return false
}

func (s *Shard) loadSidecar(name string) error {
	f, err := openIndex(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.load(f, false, index.Origin.Copy); err != nil {
		return err
	}
	s.Origin, err = s.origin(s.ctx) // of this copy of the shard
	return err
}

// loadFile takes an index file that the user has named.
func (s *Shard) loadFile(name string) error {
	f, err := openIndex(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if !wasIndex(f) {
		return fmt.Errorf("%s: %w", name, ErrNotIndex)
	}
	return s.load(f, isPrivate(name), index.Origin.Same)
}

// wasIndex reports whether a file is empty or an index file, of whatever version.
func wasIndex(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && (info.Size() == 0 || index.IsFile(f, info.Size()))
}

// openIndex opens an index file, which is a regular file and no link.
func openIndex(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%w: %s is not a regular file", index.ErrStale, name), err, f.Close())
	}
	return f, nil
}

// isPrivate reports whether only this user can do anything in the directory of a file.
func isPrivate(name string) bool {
	var st unix.Stat_t
	return unix.Lstat(filepath.Dir(name), &st) == nil && int(st.Uid) == os.Geteuid() && st.Mode&0o077 == 0
}

// load takes an index file if it was made of these bytes, and of all of them unless the shard may be cut. A private file is
// mapped. Whoever could shorten any other one would so end the process, so that is read into memory.
func (s *Shard) load(f *os.File, private bool, fits func(a, b index.Origin) bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	most := int64(maxIndex)
	if !private {
		most = max(maxInMemory, s.object.Size())
	}
	if info.Size() == 0 || info.Size() > most {
		return fmt.Errorf("%w: %s has %d bytes", index.ErrStale, f.Name(), info.Size())
	}
	var b []byte
	var m mapping
	if private {
		m, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
		b = m
	} else {
		b = make([]byte, info.Size())
		_, err = io.ReadFull(f, b)
	}
	if err != nil {
		return err
	}
	saved, err := index.Decode(b, s.buildAgain)
	var origin index.Origin
	var format codec.Format
	if err == nil {
		origin, err = s.origin(s.ctx)
	}
	if err == nil {
		format, err = codec.DetectAt(store.At(s.ctx, s.object))
	}
	switch {
	case err != nil:
	case !fits(saved.Origin, origin) || saved.Format != format:
		err = fmt.Errorf("%w: made of another shard, or of one that has changed since", index.ErrStale)
	case saved.Cut != "" && !s.o.AllowTruncated:
		err = fmt.Errorf("%w: made of a part of the shard", index.ErrStale)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.Name(), err), m.close())
	}
	s.File, s.mapped = saved, m
	return nil
}

// largeIndex is from how many members on an index is not held in memory once it is in the cache: about 40 MB of it.
const largeIndex = 1 << 20

// maxIndex is the longest index file that is opened: that of two thousand million members.
const maxIndex = 16 << 30

// maxInMemory is the longest index file of somebody else's that is read into memory, unless the shard itself is longer.
const maxInMemory = 64 << 20

// loadEmbedded takes the index that a writer of ours has put into a compressed shard, with the table by which that shard is
// decoded.
func (s *Shard) loadEmbedded() bool {
	f, extra := s.readMap()
	if extra == nil {
		return false
	}
	saved, err := index.Decode(extra, s.buildAgain)
	if err != nil || saved.Map.Plain != f.Map.Plain || saved.Cut != "" {
		return false
	}
	f.Index = saved.Index
	s.File = f
	return true
}

// adopt takes an index that is known to be that of a compressed shard of ours.
func (s *Shard) adopt(x *index.Index) bool {
	f, _ := s.readMap()
	if f == nil {
		return false
	}
	f.Index = x
	s.File = f
	return true
}

// readMap returns what a compressed shard says of itself, and what our writers put in beside it; nil where that is nothing.
func (s *Shard) readMap() (f *index.File, extra []byte) {
	format, err := codec.DetectAt(store.At(s.ctx, s.object))
	if err != nil {
		return nil, nil
	}
	f = &index.File{Format: format}
	var ok bool
	if f.Map, extra, ok = codec.ReadMap(f.Format, store.At(s.ctx, s.object), s.object.Size()); !ok {
		return nil, nil
	}
	f.Origin, err = s.origin(s.ctx)
	if err != nil {
		return nil, nil
	}
	return f, extra
}

// buildAgain builds the index in the place of one from a file that has turned out to be damaged, which it replaces in the
// cache.
func (s *Shard) buildAgain() (*index.File, error) {
	s.o.Detail("%s: the index file is damaged, the shard is indexed again", s.Name)
	f, err := s.build(s.ctx)
	if err != nil {
		return nil, err
	}
	if f.Index.Rows() != s.Index.Rows() || f.Index.Samples() != s.Index.Samples() || f.Index.Dirs() != s.Index.Dirs() {
		return nil, errors.New("it is of another shard")
	}
	if s.o.IndexFile != "" {
		if err := saveTo(s.ctx, s.o.Store, f, s.o.IndexFile); err != nil {
			s.o.Detail("%s: %v", s.Name, err)
		}
	} else if c, err := openCache(s.o.CacheDir, cacheLimit); err == nil {
		s.keep(c, f)
		c.Close()
	}
	return f, nil
}

// CanKeep reports whether index files can be kept in a directory.
func CanKeep(dir string) bool {
	if dir == "" {
		return false
	}
	c, err := openCache(dir, cacheLimit)
	return err == nil && c.Close() == nil
}

// Forget removes the shard's entry in the cache, or the index file that was named, which has turned out to be false. Where
// a false index lies beside the shard or in it, and would be found again, an entry made of the shard takes its place.
func (s *Shard) Forget() {
	if s.o.IndexFile != "" {
		os.Remove(s.o.IndexFile)
		return
	}
	if s.o.CacheDir == "" {
		return
	}
	c, err := openCache(s.o.CacheDir, cacheLimit)
	if err != nil {
		return
	}
	defer c.Close()
	if !s.found {
		c.Remove(s.path)
	} else if f, err := s.build(s.ctx); err == nil {
		s.keep(c, f)
	}
}

// keep puts an index into the cache. The shard is as good without.
func (s *Shard) keep(c *indexCache, f *index.File) {
	e, err := c.Create(s.path)
	if err == nil {
		if err = write(f, e); err == nil {
			err = e.Commit()
		} else {
			e.Abort()
		}
	}
	if err != nil {
		s.o.Detail("%s: the index is not kept: %v", s.Name, err)
	}
}

// Save writes the shard's index to a file.
func (s *Shard) Save(ctx context.Context, name string) error {
	return saveTo(ctx, s.o.Store, s.File, name)
}

func saveTo(ctx context.Context, st store.Store, f *index.File, name string) error {
	if f == nil {
		return nil
	}
	out, err := st.Create(ctx, name, store.Options{Replace: true})
	if err == nil {
		if err = write(f, out); err == nil {
			err = out.Commit(ctx)
		} else {
			out.Abort()
		}
	}
	if err != nil {
		return fmt.Errorf("write index: %s: %w", name, err)
	}
	return nil
}

func write(f *index.File, w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 1<<18)
	if err := f.Write(buffered); err != nil {
		return err
	}
	return buffered.Flush()
}
