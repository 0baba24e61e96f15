package output

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/pack"
)

// Position is where a resumable Output stands between two samples. Its JSON is part of the checkpoints of runs.
type Position struct {
	Part string        `json:"part"` // name of the temporary file, beside the output
	Mark pack.Position `json:"mark"`
	Tail []byte        `json:"tail"` // plain bytes before the mark that the encoder has not written yet; nil: not compressed
}

// Position makes durable what has been packed, and returns where that ends.
func (out *Output) Position() (p Position, err error) {
	if p.Mark, err = out.Writer.Position(); err != nil {
		return p, err
	}
	p.Part, p.Tail = out.file.Part(), out.unwritten.bytes()
	return p, out.file.Sync()
}

// Keep has the temporary file of a resumable output stay after Abort.
func (out *Output) Keep() { out.keep = true }

// Resume starts an output with what another one of the same name had at a position. Base is the shard of the last sample
// before it.
func (out *Output) Resume(ctx context.Context, p Position, base pack.Base) (err error) {
	part, err := store.OpenPart(out.o.Name, p.Part)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	format, err := out.o.Format()
	if err != nil {
		return err
	}
	if format == codec.Plain {
		err = out.file.CopyRange(part, 0, p.Mark.Bytes)
	} else {
		err = out.recompress(ctx, part, format, p)
	}
	if err != nil {
		return err
	}
	out.Writer = pack.Resume(out.sink, out.o.Pack, base, p.Mark)
	return nil
}

// recompress writes the plain bytes before a position, those that the other encoder had written and those that it had not.
func (out *Output) recompress(ctx context.Context, part *store.Object, format codec.Format, p Position) error {
	in := io.NewSectionReader(pipe.NewReaderAt(ctx, part), 0, part.Size())
	r, err := codec.NewReader(format, in, codec.Options{})
	if err != nil {
		return err
	}
	written := io.LimitReader(r, p.Mark.Bytes-int64(len(p.Tail)))
	_, err = io.CopyN(out.sink, io.MultiReader(written, bytes.NewReader(p.Tail)), p.Mark.Bytes)
	return err
}

// IsResumable reports whether an output still has the temporary file that a position names. It has none after the output
// was published.
func IsResumable(name, part string) (bool, error) {
	o, err := store.OpenPart(name, part)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrNoDir) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, o.Close()
}

// IsInterrupted reports whether an output has a temporary file that a run has kept.
func IsInterrupted(name string) bool { return store.HasPart(name) }
