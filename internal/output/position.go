package output

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/pack"
)

// Position is a position between two samples from which a resumable Output can be continued. Its JSON is part of the
// checkpoints of runs.
type Position struct {
	Part anytext.Text  `json:"part"` // name of the temporary file, beside the output
	Mark pack.Position `json:"mark"`
	Tail []byte        `json:"tail"` // last plain bytes, which the encoder has not written yet; nil: not compressed

	// Sum is the CRC-32C of all bytes before the position in a part that is not compressed; nil in positions of earlier
	// versions, and for compressed parts, which have checksums.
	Sum *uint32 `json:"sum,omitempty"`
}

// ErrPart means that the bytes that an interrupted run has left are not those that it had written.
var ErrPart = errors.New("the unfinished output is damaged")

// partSum is the checksum of a part so far.
type partSum struct {
	part store.Object // opened for reading; nil until it is needed
	sum  uint32
	end  int64 // how many bytes the sum is of
}

// update adds the bytes up to an offset. It reads them back, most likely from the page cache, because many of them were
// copied inside the kernel.
func (s *partSum) update(ctx context.Context, to int64) error {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // the same table at each call
	buf := make([]byte, 256<<10)
	for s.end < to {
		n, err := s.part.ReadAt(ctx, buf[:min(int64(len(buf)), to-s.end)], s.end)
		if n == 0 && err != nil {
			return err
		}
		s.sum = crc32.Update(s.sum, castagnoli, buf[:n])
		s.end += int64(n)
	}
	return nil
}

// Position makes durable what has been packed so far, and returns the position after it.
func (out *Output) Position() (p Position, err error) {
	if p.Mark, err = out.Writer.Position(); err != nil {
		return p, err
	}
	file, ok := out.file.(store.Resumable)
	if !ok {
		return p, errors.ErrUnsupported
	}
	p.Part, p.Tail = anytext.Text(file.TempName()), out.unwritten.bytes()
	if out.encoder == nil {
		if err := out.sumPart(&p); err != nil {
			return p, err
		}
	}
	return p, file.Sync()
}

// sumPart sets the checksum of a position.
func (out *Output) sumPart(p *Position) (err error) {
	ctx := context.Background() // a checkpoint is also written when the run is interrupted
	if out.summed.part == nil {
		if out.summed.part, err = out.o.openPart(ctx, string(p.Part)); err != nil {
			return err
		}
	}
	if err := out.summed.update(ctx, p.Mark.Bytes); err != nil {
		return err
	}
	sum := out.summed.sum
	p.Sum = &sum
	return nil
}

// Keep says whether Abort keeps the temporary file of a resumable output.
func (out *Output) Keep(keep bool) { out.keep = keep }

// Resume starts an output with the bytes that an interrupted output of the same name had before a position. Base is the
// shard of the last sample before that.
func (out *Output) Resume(ctx context.Context, p Position, base pack.Base) (err error) {
	part, err := out.o.openPart(ctx, string(p.Part))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	format, err := out.o.Format()
	if err != nil {
		return err
	}
	if format == codec.Plain {
		s := partSum{part: part}
		if err := s.update(ctx, p.Mark.Bytes); err != nil || p.Sum != nil && *p.Sum != s.sum {
			return errors.Join(ErrPart, err)
		}
		out.summed.sum, out.summed.end = s.sum, s.end
		err = out.copyRange(store.At(ctx, part), p.Mark.Bytes)
	} else {
		err = out.recompress(ctx, part, format, p)
	}
	if err != nil {
		return err
	}
	out.Writer = pack.Resume(out.sink, out.o.Pack, base, p.Mark)
	written, err := p.written(ctx, part, format)
	if err != nil {
		return err
	}
	return out.Writer.Recall(written, p.Mark)
}

// recompress writes the plain bytes before a position.
func (out *Output) recompress(ctx context.Context, part store.Object, format codec.Format, p Position) error {
	written, err := p.written(ctx, part, format)
	if err != nil {
		return err
	}
	_, err = io.CopyN(out.sink, written, p.Mark.Bytes)
	return err
}

// written returns the plain bytes before a position: first those that the interrupted output's encoder had written,
// then the tail that it had not.
func (p *Position) written(ctx context.Context, part store.Object, format codec.Format) (io.Reader, error) {
	in := io.NewSectionReader(store.At(ctx, part), 0, part.Size())
	if format == codec.Plain {
		return in, nil
	}
	r, err := codec.NewReader(format, in, codec.Options{})
	if err != nil {
		return nil, err
	}
	written := io.LimitReader(r, p.Mark.Bytes-int64(len(p.Tail)))
	return io.MultiReader(written, bytes.NewReader(p.Tail)), nil
}

// copyRange appends the first n bytes of src, without reading them if the store can do that.
func (out *Output) copyRange(src io.ReaderAt, n int64) error {
	if c, ok := out.file.(store.RangeCopier); ok {
		return c.CopyRange(src, 0, n)
	}
	_, err := io.CopyN(out.file, io.NewSectionReader(src, 0, n), n)
	return err
}

// openPart opens a temporary file that an interrupted run has left.
func (o *Options) openPart(ctx context.Context, part string) (store.Object, error) {
	r, ok := store.ResumerFor(o.store(), o.Name)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return r.OpenPart(ctx, o.Name, part)
}

// HasPart reports whether the temporary file of a position still exists. It is gone once the output is published.
func (o *Options) HasPart(ctx context.Context, part string) (bool, error) {
	object, err := o.openPart(ctx, part)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrNoDir) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, object.Close()
}

// IsInterrupted reports whether an interrupted run has left a temporary file of the output.
func (o *Options) IsInterrupted(ctx context.Context) bool {
	r, ok := store.ResumerFor(o.store(), o.Name)
	return ok && r.HasPart(ctx, o.Name)
}

// CanResume reports whether the output can be resumable: it is a file in a store that keeps unfinished ones.
func (o *Options) CanResume() bool {
	_, ok := store.ResumerFor(o.store(), o.Name)
	return ok && o.IsFile()
}
