package output

import (
	"bytes"
	"context"
	"errors"
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
	return p, file.Sync()
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
