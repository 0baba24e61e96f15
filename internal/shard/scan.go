package shard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// Scan is a shard that is read once, from the first to the last byte, without an index. It is not safe for concurrent
// use.
type Scan struct {
	Plain    io.Reader // plain bytes; an io.Seeker where bytes can be skipped instead of read
	Format   codec.Format
	HasExtra bool // see codec.HasExtra

	ctx    context.Context // of all reads
	object store.Object    // nil for a stream
	coded  *codec.Reader   // nil if the shard is not compressed
}

// OpenScan opens a shard in a store to scan it; nil means local files. Its reads end with ctx.
func OpenScan(ctx context.Context, st store.Store, name string) (*Scan, error) {
	if st == nil {
		st = file.Store{}
	}
	object, err := st.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	in := io.NewSectionReader(store.At(ctx, object), 0, object.Size())
	s := &Scan{ctx: ctx, object: object}
	if s.Format, err = codec.DetectAt(in); err == nil {
		head := make([]byte, 10)
		n, _ := in.ReadAt(head, 0)
		s.HasExtra = codec.HasExtra(head[:n])
		err = s.decode(in)
	}
	if err != nil {
		return nil, errors.Join(err, object.Close())
	}
	return s, nil
}

// NewScan scans a shard that can be read only once.
func NewScan(r io.Reader) (*Scan, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	head, err := in.Peek(index.BlockSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	s := &Scan{Format: codec.Detect(head), HasExtra: codec.HasExtra(head)}
	return s, s.decode(in)
}

// decode sets the plain bytes of a shard whose bytes in holds.
func (s *Scan) decode(in io.Reader) (err error) {
	s.Plain = in
	if s.Format != codec.Plain {
		s.coded, err = codec.NewReader(s.Format, in, codec.Options{FirstEnd: true})
		s.Plain = s.coded
	}
	return err
}

// Ends returns, for a compressed shard that was read to the end, where the plain bytes of its first stream end and
// how many bytes follow the compressed data; see [codec.Reader].
func (s *Scan) Ends() (firstEnd, trailing int64) {
	if s.coded == nil {
		return 0, 0
	}
	return s.coded.FirstEnd(), s.coded.Trailing()
}

// WhyNotTar returns err, an index.ErrNotTar, together with what the shard is instead of a tar, where that is known.
func (s *Scan) WhyNotTar(err error) error {
	if s.object == nil {
		return err
	}
	if why := whyNotTar(store.At(s.ctx, s.object), s.object.Size(), err); why != err {
		return fmt.Errorf("%w: %w", index.ErrNotTar, why)
	}
	return err
}

// Unchanged returns nil if the shard is still the version that was opened; a stream is.
func (s *Scan) Unchanged() error {
	if s.object == nil {
		return nil
	}
	return s.object.Unchanged(s.ctx)
}

// Close closes the shard; it does nothing to a stream.
func (s *Scan) Close() error {
	if s.object == nil {
		return nil
	}
	return s.object.Close()
}
