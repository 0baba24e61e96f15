package shard

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// builder builds the index file of a shard in one scan.
type builder struct {
	s    *Shard
	file index.File // the fields that are known before the scan
	tail index.Tail // what is after the end marker, once that was read
	scan *Scan
	kept *keptPlain // where the plain bytes are kept; may be nil
}

// newBuilder begins a scan. When ctx ends, the scan fails.
func (s *Shard) newBuilder(ctx context.Context) (*builder, error) {
	b := &builder{s: s}
	var err error
	if b.file.Origin, err = s.origin(ctx); err != nil {
		return nil, err
	}
	if b.scan, err = scanObject(ctx, s.object, codec.Options{Map: true}, s.o.Progress); err != nil {
		return nil, err
	}
	b.file.Format, b.file.Map.Plain = b.scan.Format, b.file.Origin.Size
	if b.scan.coded != nil {
		b.file.Map = b.scan.coded.Map()
	}
	b.kept = s.keeps(b.file.Origin, b.file.Format, math.MaxInt64)
	b.scan.Plain = b.kept.tee(b.scan.Plain, nil)
	return b, nil
}

// options returns the options to build the index with.
func (b *builder) options() index.BuildOptions {
	if b.scan.coded == nil {
		return index.BuildOptions{Concurrent: true, Tail: &b.tail}
	}
	// Mark uses the current position of the decoder, so the scanner must not read ahead.
	return index.BuildOptions{OnSample: b.scan.coded.Mark, Tail: &b.tail}
}

// run completes the index file with the index that build makes from the plain bytes. If the shard is cut or damaged and
// truncated is set, the index has the whole samples before that.
func (b *builder) run(truncated bool, build func(io.Reader) (*index.Index, error)) (*index.File, error) {
	f := b.file
	good := false
	defer func() { b.kept.finish(good && mustSpool(&f)) }()
	var err error
	f.Index, err = build(b.scan.Plain)
	if b.tail.Tar {
		f.Second = b.tail.Offset
	}
	if d := b.scan.coded; d != nil {
		if err == nil {
			_, err = io.Copy(io.Discard, b.scan.Plain) // reading to the end verifies the checksum
		}
		err = errors.Join(err, d.Close())
		f.Map, f.Trailing = d.Map(), d.Trailing()
	}
	if changed := b.s.object.Unchanged(b.s.ctx); changed != nil {
		return nil, changed // whatever was found is of no version
	}
	if errors.Is(err, index.ErrNotTar) {
		return nil, whyNotTar(store.At(b.s.ctx, b.s.object), b.s.object.Size(), err)
	}
	if err = asTruncated(err); err != nil {
		if !truncated || f.Index == nil || errors.Is(err, ErrClosed) {
			return nil, err
		}
		f.Cut = err.Error()
	}
	good = err == nil
	return &f, nil
}

// build reads the whole shard and indexes it.
func (s *Shard) build(ctx context.Context) (*index.File, error) {
	b, err := s.newBuilder(ctx)
	if err != nil {
		return nil, err
	}
	return b.run(s.o.AllowTruncated, func(r io.Reader) (*index.Index, error) { return index.Build(r, b.options()) })
}

// grow builds the index in the background and calls keep with it before Built returns. It returns once the first member
// was read, or after Patience, with a growing index; if the scan ends earlier, with the whole index or an error.
func (s *Shard) grow(keep keeper) (found, error) {
	b, err := s.newBuilder(s.ctx)
	if err != nil {
		return found{}, errors.Join(err, keep(nil))
	}
	o := b.options()
	o.Concurrent = false
	s.growing, s.built = index.NewGrowing(o), make(chan struct{})
	first := b.file
	first.Index = s.growing.Index()
	if b.scan.coded != nil && mustSpool(&first) {
		s.spool = &spool{s: s}
		s.spool.filledBy(b.scan)
	}
	go func() {
		defer close(s.built)
		s.o.Shared.scans.Add(1)
		defer s.o.Shared.scans.Add(-1)
		s.whole, s.buildErr = b.run(s.o.AllowTruncated, func(r io.Reader) (*index.Index, error) {
			x, err := s.growing.Build(s.paced(r), s.o.AllowTruncated)
			if err != nil {
				s.spool.end(err)
			}
			return x, err
		})
		keep(s.whole)
	}()
	err = s.growing.Wait(s.ctx, func(x *index.Index) bool { return x.Rows() > 0 })
	var patience <-chan time.Time // nil blocks: after an error, wait for the end of the scan
	if err == nil {
		if s.o.Patience == 0 {
			return found{file: &first, built: true}, nil
		}
		patience = time.After(s.o.Patience)
	}
	select {
	case <-patience:
		return found{file: &first, built: true}, nil
	case <-s.built:
	}
	return found{file: s.whole, built: true}, s.buildErr
}

// ErrClosed means that Close has ended the indexing.
var ErrClosed = errors.New("closed before it was indexed")
