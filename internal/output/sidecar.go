package output

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// WriteIndexes writes indexes beside a shard: its index file and those for other tools. It uses only the fields Store,
// Sidecar, Exports and UI of o.
func WriteIndexes(ctx context.Context, sh *shard.Shard, o Options) error {
	if sh.Cut != "" {
		const why = "an index of part of a shard is of no use to other tools"
		return fmt.Errorf("%s: %w: %s: %s", sh.Name, index.ErrTruncated, why, sh.Cut)
	}
	if err := sh.Witness().Confirm(ctx); err != nil {
		return fmt.Errorf("%s: %w", sh.Name, err)
	}
	if err := o.checkIndexes(ctx, sh.Path(), true); err != nil {
		return err
	}
	if o.Sidecar {
		if err := sh.Save(ctx, store.Beside(sh.Path(), shard.SidecarSuffix)); err != nil {
			return err
		}
	}
	for _, f := range o.Exports {
		if err := o.export(ctx, sh, f, indexName(f, sh.Path())); err != nil {
			return fmt.Errorf("%s: %w", sh.Name, err)
		}
	}
	return nil
}

// export writes an index for another tool.
func (o *Options) export(ctx context.Context, sh *shard.Shard, f indexformat.Format, name string) error {
	out, err := o.store().Create(ctx, name, store.Options{Replace: true, Weak: o.weak(name)})
	if err != nil {
		return fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	defer out.Abort()
	buffered := bufio.NewWriterSize(out, 1<<18)
	shown := o.UI.StartProgress(fmt.Sprintf("the %s index of %s", f, sh.Name))
	defer shown.Done()
	warning, err := indexformat.Export(buffered, f, indexformat.Shard{
		Index: sh.Index, Plain: shownReader{sh.Reader(ctx), shown, sh.Plain()}, Size: sh.Plain(),
		Compressed: sh.Format != codec.Plain,
	})
	if err == nil {
		err = errors.Join(sh.Index.Err(), buffered.Flush())
	}
	if err != nil {
		return err
	}
	if err := out.Commit(ctx); err != nil {
		return fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	if warning != "" {
		o.UI.Warn("%s: %s", sh.Name, warning)
	}
	o.UI.Detail("%s: written", store.Redact(name))
	return nil
}

// shownReader shows how far plain bytes were read.
type shownReader struct {
	io.ReaderAt
	shown *ui.Progress
	size  int64
}

// ReadAt implements [io.ReaderAt].
func (r shownReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	r.shown.Set(ui.Work{Bytes: off + int64(n), Size: r.size})
	return n, err
}
