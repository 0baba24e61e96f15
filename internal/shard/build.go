package shard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// pass is one reading of a shard from its first to its last byte, which finds its members and where it can be decoded from.
type pass struct {
	s     *Shard
	saved *index.File // what is known before
	in    io.Reader   // plain
	coded *codec.Reader
}

// newPass begins a pass. It ends early when ctx does.
func (s *Shard) newPass(ctx context.Context) (*pass, error) {
	origin, err := s.origin(ctx)
	if err != nil {
		return nil, err
	}
	p := &pass{s: s, saved: &index.File{Origin: origin}}
	if p.saved.Format, err = codec.DetectAt(store.At(ctx, s.object)); err != nil {
		return nil, err
	}
	p.saved.Map.Plain = origin.Size
	in := &passReader{io.NewSectionReader(store.At(ctx, s.object), 0, origin.Size), s.o.Progress}
	p.in = in
	if p.saved.Format != codec.Plain {
		// Whoever seeks in compressed bytes would miss their checksum.
		if p.coded, err = codec.NewReader(p.saved.Format, struct{ io.Reader }{in}, codec.Options{Map: true}); err != nil {
			return nil, err
		}
		p.in, p.saved.Map = p.coded, p.coded.Map()
	}
	return p, nil
}

// finish completes what build, which reads the plain bytes, has found. What follows the end marker is part of the shard, and
// only its reading proves the checksum.
func (p *pass) run(truncated bool, build func(io.Reader) (*index.Index, error)) (*index.File, error) {
	f := *p.saved
	var err error
	f.Index, err = build(p.in)
	if p.coded != nil {
		if err == nil {
			_, err = io.Copy(io.Discard, p.coded)
		}
		err = errors.Join(err, p.coded.Close())
		f.Map, f.Trailing = p.coded.Map(), p.coded.Trailing()
	}
	if errors.Is(err, index.ErrNotTar) {
		return nil, whyNotTar(store.At(p.s.ctx, p.s.object), p.s.object.Size(), err)
	}
	if err = asTruncated(err); err != nil {
		if !truncated || f.Index == nil || errors.Is(err, ErrClosed) {
			return nil, err
		}
		f.Cut = err.Error()
	}
	return &f, nil
}

// whyNotTar returns an error that says what a shard of size bytes is that is no tar: compressed in a way that is not
// decoded, or compressed twice, which other readers do not decode either. If that is not known it returns err.
func whyNotTar(r io.ReaderAt, size int64, err error) error {
	head := make([]byte, index.BlockSize)
	f, formatErr := codec.DetectAt(r)
	var in io.Reader = io.NewSectionReader(r, 0, size)
	if formatErr == nil && f != codec.Plain {
		in, formatErr = codec.NewReader(f, in, codec.Options{})
	}
	if formatErr != nil {
		return err
	}
	n, _ := io.ReadFull(in, head)
	name := codec.UnsupportedName(head[:n])
	if inner := codec.Detect(head[:n]); name == "" && inner != codec.Plain {
		name = inner.String()
	}
	switch {
	case name == "":
		return err
	case f != codec.Plain:
		return fmt.Errorf("%w: %s in %s", codec.ErrFormat, name, f)
	}
	return fmt.Errorf("%w: %s", codec.ErrFormat, name)
}

// build reads the whole shard and indexes it.
func (s *Shard) build(ctx context.Context) (*index.File, error) {
	p, err := s.newPass(ctx)
	if err != nil {
		return nil, err
	}
	o := index.BuildOptions{Concurrent: p.coded == nil}
	if p.coded != nil {
		o.OnSample = p.coded.Mark // of the place that the decompressor is at, so nothing may be read ahead
	}
	return p.run(s.o.AllowTruncated, func(r io.Reader) (*index.Index, error) { return index.Build(r, o) })
}

// grow builds the index in the background; keep is called with it before Built returns. It returns once the first member was
// read, with an index that grows, or after Patience, with a whole one.
func (s *Shard) grow(keep keeper) (found, error) {
	p, err := s.newPass(s.ctx)
	if err != nil {
		return found{}, errors.Join(err, keep(nil))
	}
	var o index.BuildOptions
	if p.coded != nil {
		o.OnSample = p.coded.Mark
	}
	s.growing, s.built = index.NewGrowing(o), make(chan struct{})
	first := *p.saved
	first.Index = s.growing.Index()
	go func() {
		defer close(s.built)
		s.whole, s.buildErr = p.run(s.o.AllowTruncated, func(r io.Reader) (*index.Index, error) {
			return s.growing.Build(r, s.o.AllowTruncated)
		})
		keep(s.whole)
	}()
	_, err = s.growing.Look(nil, func(x *index.Index) bool { return x.Rows() > 0 })
	var patience <-chan time.Time // none: an error is told when the pass has ended
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

// ErrClosed says that indexing was ended by Close.
var ErrClosed = errors.New("closed before it was indexed")

// asTruncated says of compressed bytes that end early that the shard does.
func asTruncated(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, index.ErrTruncated) {
		return fmt.Errorf("%w: %w", index.ErrTruncated, err)
	}
	return err
}

// passReader reports how far a shard has been read. It stays seekable.
type passReader struct {
	*io.SectionReader
	progress func(read, size int64) // or nil
}

func (r *passReader) Read(p []byte) (int, error) {
	n, err := r.SectionReader.Read(p)
	if r.progress != nil {
		if at, seekErr := r.Seek(0, io.SeekCurrent); seekErr == nil {
			r.progress(at, r.Size())
		}
	}
	return n, err
}
