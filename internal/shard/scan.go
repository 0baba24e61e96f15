package shard

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/cgroup"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// Scan is a shard that is read once from the first to the last byte, without an index. It is not safe for concurrent
// use.
type Scan struct {
	Plain    io.Reader // plain bytes; an io.Seeker if bytes can be skipped without reading
	Format   codec.Format
	HasExtra bool // see codec.HasExtra

	EmptyFirst bool // see codec.EmptyFirst

	ctx    context.Context // of all reads
	object store.Object    // nil for a stream
	coded  *codec.Reader   // nil if the shard is not compressed
	empty  bool            // the stream is empty
	head   []byte          // of a stream that is not compressed, its first bytes
}

// OpenScan opens a shard in a store to scan it; nil means local files. Reads fail after ctx has ended. Progress, if not
// nil, is called after each read with the bytes read so far.
func OpenScan(ctx context.Context, st store.Store, name string, progress func(read, size int64)) (*Scan, error) {
	if st == nil {
		st = file.Store{}
	}
	object, err := st.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	s, err := scanObject(ctx, object, codec.Options{FirstEnd: true}, progress)
	if err != nil {
		return nil, errors.Join(err, object.Close())
	}
	return s, nil
}

// scanObject scans an object. Progress, if not nil, is called after each read with the bytes read so far.
func scanObject(ctx context.Context, object store.Object, o codec.Options, progress func(read, size int64)) (
	*Scan, error) {
	in := &scanReader{io.NewSectionReader(store.At(ctx, object), 0, object.Size()), progress}
	s := &Scan{ctx: ctx, object: object}
	var err error
	if s.Format, err = codec.DetectAt(in.SectionReader); err != nil {
		return nil, err
	}
	head := make([]byte, 14)
	n, _ := in.SectionReader.ReadAt(head, 0)
	s.HasExtra, s.EmptyFirst = codec.HasExtra(head[:n]), codec.EmptyFirst(head[:n])
	return s, s.decode(in, o)
}

// NewScan scans a shard that can be read only once.
func NewScan(r io.Reader) (*Scan, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	head, err := in.Peek(index.BlockSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	s := &Scan{
		Format: codec.Detect(head), HasExtra: codec.HasExtra(head), EmptyFirst: codec.EmptyFirst(head),
		empty: len(head) == 0,
	}
	if s.Format == codec.Plain {
		s.head = bytes.Clone(head)
	}
	return s, s.decode(in, codec.Options{FirstEnd: true})
}

// decode sets Plain to the decompressed bytes of in.
func (s *Scan) decode(in io.Reader, o codec.Options) (err error) {
	s.Plain = in
	if s.Format != codec.Plain {
		s.coded, err = newReader(s.Format, struct{ io.Reader }{in}, o) // without Seek: it would skip the checksum
		s.Plain = s.coded
	}
	return err
}

// newReader returns a reader of the plain bytes of in, which decodes ahead in as much memory as the process may take.
func newReader(f codec.Format, in io.Reader, o codec.Options) (*codec.Reader, error) {
	o.Memory = cgroup.Share(codec.MaxAhead)
	return codec.NewReader(f, in, o)
}

// Ends returns, for a compressed shard that was read to the end, where the plain bytes of its first stream end and
// how many bytes follow the compressed data; see [codec.Reader].
func (s *Scan) Ends() (firstEnd, trailing int64) {
	if s.coded == nil {
		return 0, 0
	}
	return s.coded.FirstEnd(), s.coded.Trailing()
}

// WhyNotTar adds to err, an index.ErrNotTar, what the shard is instead of a tar, if that is known.
func (s *Scan) WhyNotTar(err error) error {
	if s.object == nil {
		return explain(codec.Plain, s.head, err)
	}
	return whyNotTar(store.At(s.ctx, s.object), s.object.Size(), err)
}

// Unchanged returns nil if the shard is still the version that was opened, and for a stream.
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

// scanReader reports how far an object has been read. It implements io.Seeker.
type scanReader struct {
	*io.SectionReader
	progress func(read, size int64) // or nil
}

func (r *scanReader) Read(p []byte) (int, error) {
	n, err := r.SectionReader.Read(p)
	if r.progress != nil {
		if at, seekErr := r.Seek(0, io.SeekCurrent); seekErr == nil {
			r.progress(at, r.Size())
		}
	}
	return n, err
}

// whyNotTar returns an error that says what a shard of size bytes is that is not a tar: in an unsupported compression,
// compressed twice, which other readers do not support either, or of another kind. If that is not known it returns err.
func whyNotTar(r io.ReaderAt, size int64, err error) error {
	head := make([]byte, index.BlockSize)
	f, formatErr := codec.DetectAt(r)
	var in io.Reader = io.NewSectionReader(r, 0, size)
	if formatErr == nil && f != codec.Plain {
		in, formatErr = newReader(f, in, codec.Options{})
	}
	if formatErr != nil {
		return err
	}
	n, _ := io.ReadFull(in, head)
	return explain(f, head[:n], err)
}

// explain returns the error for a shard in format f whose plain bytes are not a tar and begin with head; err if they are
// of no known kind.
func explain(f codec.Format, head []byte, err error) error {
	found := codec.Recognize(head)
	switch {
	case found == nil:
		return err
	case f != codec.Plain:
		found = found.Within(f)
	}
	return fmt.Errorf("%w: %w", index.ErrNotTar, found)
}

// asTruncated makes the error for compressed bytes that end early an index.ErrTruncated.
func asTruncated(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, index.ErrTruncated) {
		return fmt.Errorf("%w: %w", index.ErrTruncated, err)
	}
	return err
}
