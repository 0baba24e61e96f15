// Package shard opens a shard: its bytes, how they are compressed, and where its samples are.
//
// A [Shard] puts together a store object, a decoder and an index. The index is taken from an index file that was made
// of the very same bytes: in the cache, beside the shard or in the shard itself. Otherwise it is built by one [Scan]
// of the shard, and kept in the cache. A Shard is read-only and safe for concurrent use.
//
// An index file beside a shard, its sidecar, has the shard's name and [SidecarSuffix], and holds what package index
// says. It was never anything else. The directory of the cache is described at indexCache.
package shard

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// Options configures Open. The zero value demands a whole shard and keeps no index.
type Options struct {
	CacheDir string // the directory of index files; "" means none is kept

	// IndexFile is the only index file to be used, instead of those in the cache and beside the shard. It is made if it is
	// missing or does not fit. "" means those others.
	IndexFile string

	NoIndex bool // use no index file at all, and make none

	Known *index.Index // the index, if the caller has just written the shard; else nil

	AllowTruncated bool // open the whole samples before the place where the shard is cut or damaged

	// Store is where the shard is; nil means among local files.
	Store store.Store

	// Growing lets Open return while the index is still being built. Only Wait, and what is found by it, may then be
	// used.
	Growing bool
	// Patience is how long Open waits for such an index all the same. Most shards are indexed in a moment, and then
	// Open returns the error of a damaged one.
	Patience time.Duration

	CacheBytes int64 // memory for pieces of a compressed shard that have been decoded; 0 means 32 MiB

	// SpoolDir is where the plain bytes of a shard that cannot be decoded from the middle are kept while it is open,
	// without a name; "" means os.TempDir.
	SpoolDir string

	// Progress, if not nil, is called now and then while the index is built, with the bytes of the shard read and of
	// all.
	Progress func(read, size int64)
	// Detail, if not nil, is called with messages that say where the index comes from, and why not from elsewhere.
	Detail func(format string, args ...any)
}

// cacheLimit is how many bytes the index files in the cache may take together: a thousand shards of a million members
// would take 7 GB, which is more than most will ever mount again.
const cacheLimit = 1 << 30

// Shard is an opened shard.
type Shard struct {
	Name string // as the user gave it, without credentials

	// What is known of the shard when Open returns. While the index is being built, Index is what there is of it, and
	// is used within Wait only; Trailing and Cut are known from Built.
	Index    *index.Index
	Origin   index.Origin
	Format   codec.Format
	trailing int64  // bytes after the compressed data that are not part of it
	Cut      string // why only the samples before some place are indexed; "" for a whole shard
	Indexed  bool   // the index was built, not taken from a file

	o       Options
	path    string // see Path
	object  store.Object
	plain   store.ReaderAt
	file    *index.File     // what the fields above are from, set once by Open
	moved   bool            // see found
	coded   *codec.ReaderAt // nil where the shard is plain
	spool   *spool          // nil where the shard can be decoded from the middle
	mapped  mapping
	growing *index.Growing  // nil where the index was whole from the start
	opened  context.Context // of Open, for Bytes
	ctx     context.Context // of background work and of the spool; Close cancels it
	cancel  context.CancelCauseFunc
	built   chan struct{} // closed when that pass has ended

	whole    *index.File // set, as buildErr is, before built is closed; nil if there is no index
	buildErr error
}

// Open opens a shard by its name. Its errors begin with that name. When ctx ends, so do the reads of Bytes.
func Open(ctx context.Context, name string, o Options) (*Shard, error) {
	s := &Shard{Name: store.Redact(name), o: o, path: store.Absolute(name)}
	s.opened = ctx
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if o.Detail == nil {
		s.o.Detail = func(string, ...any) {}
	}
	if o.Store == nil {
		s.o.Store = file.Store{}
	}
	if o.IndexFile != "" && !o.NoIndex {
		s.o.Growing = false // else an index that cannot be written would go unnoticed
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.Name, err), s.Close())
	}
	return s, nil
}

func (s *Shard) open(ctx context.Context) error {
	var err error
	if s.object, err = s.o.Store.Open(ctx, s.path); err != nil {
		return err
	}
	if s.object.Size() == 0 {
		return fmt.Errorf("%w: the file is empty", index.ErrNotTar)
	}
	f, err := s.findIndex(ctx)
	s.mapped = f.mapped
	if f.file != nil {
		s.file, s.moved, s.Indexed = f.file, f.moved, f.built
		s.Index, s.Origin, s.Format = s.file.Index, s.file.Origin, s.file.Format
		s.trailing, s.Cut = s.file.Trailing, s.file.Cut
	}
	if err != nil {
		return err
	}
	s.openBytes()
	return nil
}

// openBytes makes the plain bytes readable.
func (s *Shard) openBytes() {
	s.plain = s.object
	switch {
	case s.Format == codec.Plain:
	case s.mustSpool():
		s.o.Detail("%s: %s that cannot be decoded from the middle is kept decoded in a temporary file",
			s.Name, s.Format)
		s.spool = &spool{s: s}
		s.plain = s.spool
	default:
		o := codec.ReaderAtOptions{CacheBytes: s.o.CacheBytes}
		s.coded = codec.NewReaderAt(s.Format, s.object, s.object.Size(), s.file.Map, o)
		s.plain = s.coded
	}
}

// origin identifies the bytes of the shard.
func (s *Shard) origin(ctx context.Context) (index.Origin, error) {
	o := index.Origin{Size: s.object.Size(), Version: string(s.object.Version())}
	probe, err := store.Probe(store.At(ctx, s.object), o.Size)
	o.Probe = hex.EncodeToString(probe[:])
	return o, err
}

// Wait calls found with the index, which does not change until found returns. As long as that is false and the index
// is still being built, found is called again whenever there are more samples; see [index.Growing.Wait]. When ctx ends
// first, the error is its cause.
func (s *Shard) Wait(ctx context.Context, found func(x *index.Index) bool) error {
	if s.growing == nil {
		found(s.Index)
		return s.Index.Err()
	}
	ok := false
	err := s.growing.Wait(ctx, func(x *index.Index) bool {
		ok = found(x)
		return ok
	})
	if ok || err != nil {
		return asTruncated(err)
	}
	// The end of the tar was read, but only the checksum after it proves that nothing is missing.
	select {
	case <-s.built:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.buildErr != nil {
		return s.buildErr
	}
	found(s.Index)
	return nil
}

// Growing reports whether the index is still being built.
func (s *Shard) Growing() bool {
	if s.built == nil {
		return false
	}
	select {
	case <-s.built:
		return false
	default:
		return true
	}
}

// Built waits until the index is whole. It returns all that is known of the shard then, or why there is no more of the
// index than there is.
func (s *Shard) Built() (*index.File, error) {
	if s.built == nil {
		return s.file, nil
	}
	<-s.built
	return s.whole, s.buildErr
}

// ReadAt reads plain bytes of the shard, like [io.ReaderAt]. When ctx ends, a read that waits returns its cause.
func (s *Shard) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return s.plain.ReadAt(ctx, p, off)
}

// DropPages gives up the memory that a mapped index takes. What is looked at later is read again from its file.
func (s *Shard) DropPages() { s.mapped.drop() }

// WillRead says that plain bytes will be read soon. It has no effect on a compressed shard, where bytes that are
// together are decoded together, and kept.
func (s *Shard) WillRead(off, n int64) {
	if advisor, ok := s.object.(store.Advisor); ok && s.isPlain() {
		advisor.WillRead(off, n)
	}
}

// isPlain reports whether the shard's bytes are stored as they are.
func (s *Shard) isPlain() bool { return s.Format == codec.Plain }

// Unchanged returns nil as long as the shard is the version that was opened; see [store.Object].
func (s *Shard) Unchanged(ctx context.Context) error { return s.object.Unchanged(ctx) }

// ModTime returns when the shard was last modified; the beginning of 1970 where its store does not know.
func (s *Shard) ModTime() time.Time {
	if dated, ok := s.object.(store.Dated); ok {
		return dated.ModTime()
	}
	return time.Unix(0, 0)
}

// Bytes returns the reader of the plain bytes until the context of Open ends. It is the same at every call.
func (s *Shard) Bytes() io.ReaderAt { return s.Reader(s.opened) }

// Reader returns a reader of the plain bytes, whose reads end when ctx does. Writers of the shard's store recognize it
// where the bytes are stored as they are, and copy from it without reading; see [store.RangeCopier].
func (s *Shard) Reader(ctx context.Context) io.ReaderAt { return store.At(ctx, s.plain) }

// Plain returns the number of plain bytes.
func (s *Shard) Plain() int64 { return s.file.Map.Plain }

// Checkpoints returns the number of places where decoding can start.
func (s *Shard) Checkpoints() int {
	if s.file.Map.Points == nil {
		return 0
	}
	return s.file.Map.Points.Len()
}

// Path returns the shard's name, independent of the process's working directory; see [store.Absolute].
func (s *Shard) Path() string { return s.path }

// Close closes the shard; its index must not be used any more. One from the cache that has turned out to be false is
// removed there, so that the next use is right.
func (s *Shard) Close() error {
	var err error
	if s.Index != nil && s.Index.Err() != nil {
		s.Forget()
	}
	s.cancel(ErrClosed)
	if s.built != nil {
		<-s.built
	}
	if s.coded != nil {
		err = s.coded.Close()
	}
	if s.spool != nil {
		err = s.spool.close()
	}
	if s.object != nil {
		err = errors.Join(err, s.object.Close())
	}
	return errors.Join(err, s.mapped.close())
}

// mustSpool reports whether reading in the middle of the shard would mean to decode very much before that.
func (s *Shard) mustSpool() bool {
	const most = 16 << 20
	if s.file.Map.Plain == math.MaxInt64 { // not known yet
		return !s.Format.Dense()
	}
	last := int64(0)
	for i := range s.Checkpoints() {
		out := s.file.Map.Points.Out(i)
		if out-last > most {
			return true
		}
		last = out
	}
	return s.file.Map.Plain-last > most
}
