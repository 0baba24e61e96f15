// Package output writes samples to a tar and publishes it.
//
// An [Output] is a tar that is being written: to a file that gets its name only when it is complete and durable, to
// standard output, or to a command. It embeds the [pack.Writer] that packs the samples, compresses the tar by the
// suffix of its name, and indexes it at the same time, so that Commit can write the index beside it, or into it,
// without reading it again. [Split] spreads samples over numbered outputs.
//
// An interrupted run can continue a resumable output: [Output.Position] makes the written bytes durable, and
// [Output.Resume] starts another output with the same bytes. They are compressed again, because an encoder cannot be
// stopped in the middle of a block and continued in another process.
package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// ErrSkip means that the output already exists and was not written.
var ErrSkip = errors.New("the output exists")

// Output is a tar that is being written. The caller must call Abort in the end, also after Commit. An Output is not
// safe for concurrent use.
type Output struct {
	*pack.Writer
	Name string // for messages

	o       Options
	sink    io.Writer     // the Writer writes to it
	file    store.Writer  // nil: a stream
	command *pipe.Command // reads the output; nil: none
	encoder codec.Encoder // nil: not compressed
	tee     *indexTee     // nil: not compressed
	begun   time.Time
	written *recorder

	unwritten *unwritten // nil: not compressed, or not resumable
	summed    partSum    // of a plain resumable output
	keep      bool       // Abort keeps the temporary file, see Keep
}

// Create begins an output. The error is ErrSkip if it exists and o.IfExists is Skip.
func Create(ctx context.Context, o Options) (*Output, error) {
	format, err := o.Format()
	if err != nil {
		return nil, err
	}
	out := &Output{Name: pipe.Shown(store.Redact(o.Name)), o: o, begun: time.Now()}
	var sink io.Writer
	switch {
	case pipe.Is(o.Name):
		if out.command, err = pipe.OpenWriter(ctx, o.Name, o.Stderr); err != nil {
			return nil, fmt.Errorf("%s: %w", out.Name, err)
		}
		sink, out.written = newRecorder(out.command)
	case o.Name == Stdout:
		sink, out.written = newRecorder(pipe.NewWriter(ctx, o.Stdout))
	default:
		if err := out.create(ctx); err != nil {
			return nil, err
		}
		sink, out.written = newRecorder(out.file)
	}
	if format != codec.Plain {
		if out.encoder, err = format.NewWriter(sink, o.Level, 0); err != nil {
			out.Abort()
			return nil, err
		}
		out.tee = newIndexTee(out.encoder)
		sink = out.tee
		if o.Resumable {
			out.unwritten = &unwritten{w: sink, written: out.encoder.Written}
			sink = out.unwritten
		}
	}
	out.sink = sink
	out.Writer = pack.NewWriter(sink, o.Pack)
	return out, nil
}

// create creates the file. Writes to a resumable one work even after ctx has ended, so that an interrupted run can
// complete what it keeps. If the file is busy, create retries: a run that was just killed takes a moment to release it.
func (out *Output) create(ctx context.Context) error {
	writes := ctx
	if out.o.Resumable {
		writes = context.WithoutCancel(ctx)
	}
	err := retry.While(ctx, retry.Policy{Limit: 2 * time.Second}, retry.Is(store.ErrBusy), func() (err error) {
		out.file, err = out.o.store().Create(writes, out.o.Name, store.Options{
			Replace: out.o.IfExists == Overwrite, Weak: out.o.weak(out.o.Name),
			Resumable: out.o.Resumable, PartDir: out.o.PartDir, Continue: out.o.Continue,
			Try: out.o.Try,
		})
		return err
	})
	if errors.Is(err, store.ErrNotRegular) {
		err = ui.WithHint(&ui.UsageError{Err: err}, "an output replaces only a regular file")
	}
	if errors.Is(err, store.ErrExists) && out.o.IfExists == Skip {
		return ErrSkip
	}
	if err != nil {
		return fmt.Errorf("%s: %w", out.Name, err)
	}
	return nil
}

// Write creates an output, has fill write to it, publishes it, and reports what it contains. If the output exists and
// o.IfExists is Skip, that is no error.
func Write(ctx context.Context, o Options, fill func(*pack.Writer) error) error {
	err := write(ctx, o, fill)
	if errors.Is(err, ErrSkip) {
		o.UI.Note("%s: exists, skipped", store.Redact(o.Name))
		return nil
	}
	return err
}

// write is Write, but the error is ErrSkip if the output exists.
func write(ctx context.Context, o Options, fill func(*pack.Writer) error) error {
	out, err := Create(ctx, o)
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := fill(out.Writer); err != nil {
		return out.explain(ctx, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := out.publish(ctx); err != nil {
		return err
	}
	out.WarnUnmatched()
	return nil
}

// publish commits an output and reports what it contains.
func (out *Output) publish(ctx context.Context) error {
	if err := out.Commit(ctx); err != nil {
		return err
	}
	return out.report()
}

// Commit ends the tar, publishes it, and writes the indexes beside it. Without samples it does so only if
// Options.AllowEmpty is set. The error is ErrSkip if another process has published the output since it was created, and
// Options.IfExists is Skip.
func (out *Output) Commit(ctx context.Context) error {
	if err := out.refuseEmpty(); err != nil {
		out.Abort()
		return err
	}
	x, err := out.finish()
	if err != nil {
		out.Abort()
		return out.explain(ctx, fmt.Errorf("%s: %w", out.Name, err))
	}
	if err := out.o.confirm(ctx); err != nil {
		out.Abort()
		return err
	}
	if out.command != nil {
		if err := out.command.Finish(); err != nil {
			return fmt.Errorf("%s: %w", out.Name, err)
		}
		return nil
	}
	if out.file == nil {
		return nil
	}
	commit, cancel := store.Committing(ctx)
	defer cancel()
	if err := out.file.Commit(commit); err != nil {
		return out.unlessSkipped(ctx, fmt.Errorf("%s: %w", out.Name, err))
	}
	if !out.o.Sidecar && len(out.o.Exports) == 0 {
		return nil
	}
	o := shard.Options{Store: out.o.Store, Known: x, NoIndex: true, Detail: out.o.UI.Detail}
	sh, err := shard.Open(ctx, out.o.Name, o)
	if err != nil {
		return err
	}
	defer sh.Close()
	return WriteIndexes(ctx, sh, out.o)
}

// unlessSkipped returns the error of publishing an output; ErrSkip if another process has published it meanwhile, and an
// output that is there is to be skipped.
func (out *Output) unlessSkipped(ctx context.Context, err error) error {
	if out.o.IfExists != Skip || !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrBusy) {
		return err
	}
	if info, statErr := stat(ctx, out.o.store(), out.o.Name); info == nil || statErr != nil {
		return err
	}
	return ErrSkip
}

// finish ends the tar and returns its index. A compressed output also carries the index itself, so that it can be
// mounted without being decoded; indexing a plain one is as fast as reading an index.
func (out *Output) finish() (*index.Index, error) {
	err := out.Writer.Close()
	if out.tee == nil {
		return nil, err
	}
	x, teeErr := out.tee.close()
	if err = errors.Join(err, teeErr); err == nil {
		x.Canonicalize()
		var saved bytes.Buffer
		f := index.File{Index: x}
		if out.tee.tail.Tar {
			f.Second = out.tee.tail.Offset
		}
		f.Map.Plain = out.Summary().Bytes
		err = f.Write(&saved)
		if int64(saved.Len()) <= f.Map.Plain/embedShare {
			out.encoder.SetExtra(saved.Bytes())
		}
	}
	err = errors.Join(err, out.encoder.Close())
	out.encoder = nil
	return x, err
}

// embedShare is the least ratio of plain bytes to index bytes at which the index is embedded in the output. If members
// are so small that the ratio is lower, the index would enlarge the shard too much.
const embedShare = 400

// Owns reports whether a process is the command that reads the output. A nil Output owns none.
func (out *Output) Owns(pid int) bool { return out != nil && out.command.Owns(pid) }

// Abort discards the output, unless Keep was called. After Commit it does nothing.
func (out *Output) Abort() {
	if out.summed.part != nil {
		out.summed.part.Close()
		out.summed.part = nil
	}
	if out.tee != nil {
		out.tee.close()
	}
	if out.encoder != nil {
		out.encoder.Close()
		out.encoder = nil
	}
	if out.command != nil {
		out.command.Abort()
	}
	switch {
	case out.file == nil:
	case out.keep:
		out.file.(store.Resumable).Detach()
	default:
		out.file.Abort()
	}
}
