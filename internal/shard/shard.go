// Package shard opens a shard: its bytes, how they are compressed, and where its samples lie in them.
//
// A [Shard] puts together a store object, a decoder and an index. The index is built by one pass over the shard, or taken
// from an index file that was made of the very same bytes. A Shard is read-only and safe for concurrent use.
package shard

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// ErrCompression says that a shard is compressed in a way that cannot be read.
var ErrCompression = errors.New("unsupported compression")

// Options configures Open. The zero value builds the index and demands a whole shard.
type Options struct {
	IndexFile      string // taken if it fits the shard, else written there once the index is built; "" means none
	AllowTruncated bool   // open the whole samples before the place where the shard is cut or damaged
	// Progress, if not nil, is called now and then while the index is built, with the bytes of the shard read and of all.
	Progress func(read, size int64)
}

// Shard is an opened shard.
type Shard struct {
	*index.Saved
	Name    string // as the user gave it, without credentials
	Indexed bool   // the index was built, not taken from a file

	object *store.Object
	bytes  io.ReaderAt
	mapped mapping
}

// Open opens a shard by its name. Its errors begin with that name.
func Open(name string, o Options) (*Shard, error) {
	s := &Shard{Name: store.Redact(name)}
	if err := s.open(name, o); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.Name, err), s.Close())
	}
	return s, nil
}

func (s *Shard) open(name string, o Options) error {
	var err error
	if s.object, err = store.Open(name); err != nil {
		return err
	}
	if o.IndexFile != "" {
		// An index file that does not fit is one that has to be made anew, whatever the reason.
		s.Saved, s.mapped, _ = load(o.IndexFile, s.origin(), o.AllowTruncated)
	}
	if s.Saved == nil {
		if err := s.build(o); err != nil {
			return err
		}
		if o.IndexFile != "" {
			if err := s.Save(o.IndexFile); err != nil {
				return err
			}
		}
	}
	switch s.Format {
	case codec.Gzip:
		s.bytes = codec.NewGzipReaderAt(s.object, s.object.Size(), s.Plain, s.Checkpoints)
	default:
		s.bytes = s.object
	}
	return nil
}

// origin tells which bytes the index is of.
func (s *Shard) origin() index.Origin {
	return index.Origin{Size: s.object.Size(), ModTime: s.object.ModTime(), Inode: s.object.Inode()}
}

// build reads the whole shard and indexes it.
func (s *Shard) build(o Options) error {
	if s.object.Size() == 0 {
		return fmt.Errorf("%w: the file is empty", index.ErrNotTar)
	}
	compressed := io.NewSectionReader(s.object, 0, s.object.Size())
	head := make([]byte, 512)
	n, err := s.object.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	f := &index.Saved{Origin: s.origin(), Format: codec.Detect(head[:n]), Plain: s.object.Size()}
	var in io.Reader = compressed
	if o.Progress != nil {
		in = &progressReader{compressed, o.Progress}
	}
	var gz *codec.GzipReader
	plain := &counter{}
	switch f.Format {
	case codec.Plain:
	case codec.Gzip:
		gz = codec.NewGzipReader(in, codec.GzipOptions{
			OnCheckpoint: func(cp codec.Checkpoint) { f.Checkpoints = append(f.Checkpoints, cp) },
		})
		plain.Reader = gz
		in = plain
	default:
		return fmt.Errorf("%w: %s", ErrCompression, f.Format)
	}
	f.Index, err = index.Build(in)
	if gz != nil {
		if err == nil {
			// What follows the end marker is part of the shard, and only its reading proves the checksum.
			_, err = io.Copy(io.Discard, plain)
		}
		f.Plain, f.Trailing = plain.n, gz.Trailing()
	}
	if err = truncated(err); err != nil {
		if !o.AllowTruncated || f.Index == nil || errors.Is(err, index.ErrNotTar) {
			return err
		}
		f.Cut = err.Error()
	}
	s.Saved, s.Indexed = f, true
	return nil
}

// truncated says of compressed bytes that end early that the shard does.
func truncated(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, index.ErrTruncated) {
		return fmt.Errorf("%w: %w", index.ErrTruncated, err)
	}
	return err
}

// ReadAt reads plain bytes of the shard.
func (s *Shard) ReadAt(p []byte, off int64) (int, error) { return s.bytes.ReadAt(p, off) }

// Bytes returns the plain bytes of the shard; where they lie in a file as they are, it is the store's object.
func (s *Shard) Bytes() io.ReaderAt { return s.bytes }

// Base returns the last element of the shard's name.
func (s *Shard) Base() string { return filepath.Base(s.Name) }

// Close closes the shard; its index must not be used any more.
func (s *Shard) Close() error {
	var err error
	if s.object != nil {
		err = s.object.Close()
	}
	return errors.Join(err, s.mapped.close())
}

// progressReader tells how far a shard has been read. It stays seekable.
type progressReader struct {
	*io.SectionReader
	progress func(read, size int64)
}

func (r *progressReader) Read(p []byte) (int, error) {
	n, err := r.SectionReader.Read(p)
	if at, seekErr := r.Seek(0, io.SeekCurrent); seekErr == nil {
		r.progress(at, r.Size())
	}
	return n, err
}

// counter counts the bytes read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
