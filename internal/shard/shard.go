// Package shard opens shards: their bytes, their compression and their index.
//
// A [Shard] combines a store object, a decoder and an index. The index comes from an index file that was made from the
// same bytes: in the cache, beside the shard or in the shard itself. Otherwise it is built in one [Scan] of the shard
// and cached. A Shard is read-only and safe for concurrent use.
//
// An index file beside a shard, its sidecar, has the shard's name plus [SidecarSuffix]; package index defines its
// format. The directory of the cache is described at indexCache.
package shard

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// Options configures Open. The zero value requires a whole shard and caches no index.
type Options struct {
	CacheDir string // directory of cached index files; "" means no cache

	// IndexFile is the index file to use, instead of those in the cache and beside the shard. It is written if it is
	// missing or does not fit. "" means to use those others.
	IndexFile string

	NoIndex bool // neither read nor write index files

	Known *index.Index // the index, if the caller has just written the shard; else nil

	// AtHand makes Open fail with ErrNotAtHand if the index is not at hand, and would take long to build: the shard is
	// remote, or would have to be decompressed as a whole.
	AtHand bool

	NoScan bool // Open fails with ErrNotAtHand if no index is found

	// Provisional lets Open take the index of a remote shard from one of another tool beside it, so that nothing is
	// scanned: a provisional index, see [index.Builder.Provisional]. It is for callers that need to see the samples, and
	// not all members and what is known of them. CacheDir is then where a false one is remembered.
	Provisional bool

	// Unproved lets Open take the sidecar of a remote shard by its size and first members alone; see [Shard.Unproved].
	Unproved bool

	AllowTruncated bool // open a cut or damaged shard with the whole samples before that place

	// Opened, if not nil, is called as soon as a local file is open, with its descriptor, before its index is looked for.
	Opened func(fd int)

	// Store is the store of the shard; nil means local files.
	Store store.Store

	// Growing lets Open return while the index is still being built. The caller may then use only Wait, and what it has
	// found.
	Growing bool
	// Patience is how long Open waits for a growing index to become whole. Most shards are indexed within that time,
	// and Open can then return an error for a damaged one.
	Patience time.Duration

	// Shared is what this shard shares with others of this process; nil means nothing, and 32 MiB of decompressed blocks.
	Shared *Shared

	// SpoolDir is the directory of an unnamed file with the plain bytes of a shard that cannot be decompressed from the
	// middle; "" means os.TempDir.
	SpoolDir string

	// Progress, if not nil, is called repeatedly while the index is built, with the bytes read so far and the size of
	// the shard.
	Progress func(read, size int64)
	// Warn, if not nil, is called if the sidecar is of no use, so that the shard is read to be indexed; else Detail is.
	Warn func(format string, args ...any)
	// Detail, if not nil, is called with messages about where the index comes from, and why index files were not used.
	Detail func(format string, args ...any)
}

// Shard is an opened shard.
type Shard struct {
	Name string // as the user gave it, without credentials

	// These fields are set when Open returns. While the index is being built, Index may be used only within Wait, and
	// Trailing and Cut are not set; Built returns them.
	Index    *index.Index
	Origin   index.Origin
	Format   codec.Format
	trailing int64  // bytes after the compressed data
	Cut      string // why only the samples before some place are indexed; "" for a whole shard
	Indexed  bool   // the index was built, not taken from a file
	Foreign  string // digest of the file of another tool that the provisional index is from; "" for an index of ours

	o       Options
	path    string                 // see Path
	probe   atomic.Pointer[string] // of a remote shard, once it was read
	beside  *fetch                 // of the sidecar; nil if it is not being fetched
	foreign []foreign              // while Open runs
	object  store.Object
	plain   store.ReaderAt
	file    *index.File     // source of the fields above, set once by Open
	moved   bool            // see found
	likely  bool            // see Unproved
	coded   *codec.ReaderAt // nil if the shard is plain
	spool   *spool          // nil if the shard can be decompressed from the middle
	unkept  sync.Once       // see sayUnkept
	mapped  mapping
	growing *index.Growing  // nil if the index was whole when Open returned
	pace    pace            // of its scan
	opened  context.Context // the context of Open, for Bytes
	ctx     context.Context // of background work and of the spool; Close cancels it
	cancel  context.CancelCauseFunc
	built   chan struct{} // closed when the scan for growing has ended

	whole    *index.File // set, like buildErr, before built is closed; nil if there is no index
	buildErr error
}

// Open opens a shard by its name. Errors begin with that name. Reads through Bytes fail after ctx has ended.
func Open(ctx context.Context, name string, o Options) (*Shard, error) {
	s := &Shard{Name: store.Redact(name), o: o, path: store.Absolute(name)}
	s.opened = ctx
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if o.Detail == nil {
		s.o.Detail = func(string, ...any) {}
	}
	if o.Warn == nil {
		s.o.Warn = s.o.Detail
	}
	if o.Store == nil {
		s.o.Store = file.Store{}
	}
	if o.Shared == nil {
		s.o.Shared = newShared()
	}
	if o.IndexFile != "" && !o.NoIndex {
		s.o.Growing = false // else an index that cannot be written would go unnoticed
	}
	stop := context.AfterFunc(ctx, func() { s.cancel(fmt.Errorf("%w: %w", ErrClosed, context.Cause(ctx))) })
	defer stop()
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.Name, s.explain(ctx, err)), s.Close())
	}
	return s, nil
}

func (s *Shard) open(ctx context.Context) error {
	var err error
	s.fetchBeside(ctx)
	defer s.endFetches()
	if s.mustScan() {
		return ErrNotAtHand
	}
	if s.object, err = s.o.Store.Open(ctx, s.path); err != nil {
		return err
	}
	if s.object.Size() == 0 {
		return fmt.Errorf("%w: the file is empty", index.ErrNotTar)
	}
	if f, ok := s.object.(store.InKernel); ok && s.o.Opened != nil {
		s.o.Opened(f.Descriptor())
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
	case mustSpool(s.file):
		if s.spool == nil {
			s.spool = &spool{s: s, kept: s.keeps(s.Origin, s.Format, s.file.Map.Plain)}
		}
		if s.spool.kept.has() {
			s.o.Detail("%s: decompressed bytes from the cache", s.Name)
		} else {
			s.o.Detail("%s: %s that cannot be decompressed from the middle is decompressed into a temporary file",
				s.Name, s.Format)
		}
		s.plain = s.spool
	default:
		s.spool.close() // the scan has found places
		s.spool = nil
		o := codec.ReaderAtOptions{Cache: s.o.Shared.blocks}
		s.coded = codec.NewReaderAt(s.Format, s.object, s.object.Size(), s.file.Map, o)
		s.plain = s.coded
	}
}

// origin identifies the bytes of the shard. It does not read any if the version proves them.
func (s *Shard) origin(ctx context.Context) (index.Origin, error) {
	o := index.Origin{Size: s.object.Size(), Version: string(s.object.Version())}
	if e, ok := s.object.(store.Exact); ok && e.Exact() {
		return o, nil
	}
	return s.probed(ctx, o)
}

// probed adds the probe to an origin.
func (s *Shard) probed(ctx context.Context, o index.Origin) (index.Origin, error) {
	if known := s.probe.Load(); o.Probe == "" && known != nil {
		o.Probe = *known
	}
	if o.Probe != "" {
		return o, nil
	}
	probe, err := store.Probe(store.At(ctx, s.object), o.Size)
	o.Probe = hex.EncodeToString(probe[:])
	if err == nil && store.IsRemote(s.path) {
		s.probe.Store(&o.Probe) // a local file may be written to, and its Version stay
	}
	return o, err
}

// Wait calls found with the index, which does not change until found returns. While found returns false and the index
// is still being built, Wait calls it again whenever there are more samples; see [index.Growing.Wait]. If ctx ends
// first, the error is its cause.
func (s *Shard) Wait(ctx context.Context, found func(x *index.Index) bool) error {
	if s.growing == nil {
		found(s.Index)
		return s.Index.Err()
	}
	s.pace.waiting.Add(1)
	defer s.pace.waiting.Add(-1)
	ok := false
	err := s.growing.Wait(ctx, func(x *index.Index) bool {
		ok = found(x)
		return ok
	})
	if ok || err != nil {
		return asTruncated(err)
	}
	// The end of the tar was read, but only the checksum after it proves that the tar is complete.
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

// Grew reports whether the index was not at hand, and Open has returned while it was being built.
func (s *Shard) Grew() bool { return s.built != nil }

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

// Built waits until the index is whole and returns it with everything else known of the shard, or the error that ended
// the indexing.
func (s *Shard) Built() (*index.File, error) {
	if s.built == nil {
		return s.file, nil
	}
	<-s.built
	return s.whole, s.buildErr
}

// ReadAt reads plain bytes of the shard, like [io.ReaderAt]. If ctx ends while it waits, the error is its cause.
func (s *Shard) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n, err := s.plain.ReadAt(ctx, p, off)
	if s.growing != nil {
		s.pace.reading(off + int64(n))
	}
	return n, err
}

// Follow tells the scan of a growing remote shard that all before a plain offset is in use, and no more before the next
// Follow or Wait. So the scan does not go on so far that what it has fetched is evicted before it is used.
func (s *Shard) Follow(off int64) { s.pace.follow(off) }

// DropPages releases the memory of a mapped index. Later lookups read its file again.
func (s *Shard) DropPages() { s.mapped.drop() }

// Rest releases memory that only the next reads would use: decoders. They take some of it again.
func (s *Shard) Rest() {
	if s.coded != nil {
		s.coded.Rest()
	}
}

// isPlain reports whether the shard's bytes are stored as they are.
func (s *Shard) isPlain() bool { return s.Format == codec.Plain }

// Unchanged returns nil if the shard is still the version that was opened; see [store.Object].
func (s *Shard) Unchanged(ctx context.Context) error { return s.object.Unchanged(ctx) }

// Bytes returns a reader of the plain bytes that works until the context of Open ends. It is the same at every call.
func (s *Shard) Bytes() io.ReaderAt { return s.Reader(s.opened) }

// Reader returns a reader of the plain bytes, whose reads fail after ctx has ended. For an uncompressed shard, writers
// of its store recognize the reader and copy from it without reading; see [store.RangeCopier].
func (s *Shard) Reader(ctx context.Context) io.ReaderAt { return store.At(ctx, s.plain) }

// Plain returns the number of plain bytes.
func (s *Shard) Plain() int64 { return s.file.Map.Plain }

// Descriptor returns the number of the open file that has the plain bytes; false if the shard is compressed or remote.
func (s *Shard) Descriptor() (fd int, ok bool) {
	file, ok := s.object.(store.InKernel)
	if !ok || !s.isPlain() {
		return 0, false
	}
	return file.Descriptor(), true
}

// Checkpoints returns the number of places where decompression can start.
func (s *Shard) Checkpoints() int {
	if s.file.Map.Points == nil {
		return 0
	}
	return s.file.Map.Points.Len()
}

// Path returns the shard's name, independent of the process's working directory; see [store.Absolute].
func (s *Shard) Path() string { return s.path }

// Close closes the shard; its index must not be used afterwards. If an index from the cache has turned out to be false,
// Close removes it there.
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
	err = errors.Join(err, s.spool.close())
	if s.object != nil {
		err = errors.Join(err, s.object.Close())
	}
	return errors.Join(err, s.mapped.close())
}

// StopScan ends the scan for the index, if there is one, and returns when it has ended and released its locks, or when ctx
// ends. Bytes can still be read; Close is not needed if the process ends then.
func (s *Shard) StopScan(ctx context.Context) {
	s.cancel(ErrClosed)
	if s.built == nil {
		return
	}
	select {
	case <-s.built:
	case <-ctx.Done():
	}
}

// mustSpool reports whether reading from the middle of a shard would have to decompress too much before that.
func mustSpool(f *index.File) bool {
	const most = 16 << 20
	if f.Map.Plain == math.MaxInt64 { // not known yet
		return !f.Format.Dense()
	}
	last := int64(0)
	if p := f.Map.Points; p != nil {
		for i := range p.Len() {
			out := p.Out(i)
			if out-last > most {
				return true
			}
			last = out
		}
	}
	return f.Map.Plain-last > most
}
