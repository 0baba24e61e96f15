package output

import (
	"bufio"
	"context"
	"errors"
	"fmt"

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
	if o.Sidecar {
		if err := sh.Save(ctx, sh.Path()+shard.SidecarSuffix); err != nil {
			return err
		}
	}
	for _, f := range o.Exports {
		name := indexformat.Name(f, sh.Path())
		if name == sh.Path() {
			return ui.Usagef("the %s index would replace the shard %s", f, sh.Name)
		}
		if err := o.export(ctx, sh, f, name); err != nil {
			return fmt.Errorf("%s: %w", sh.Name, err)
		}
	}
	return nil
}

// export writes an index for another tool.
func (o *Options) export(ctx context.Context, sh *shard.Shard, f indexformat.Format, name string) error {
	out, err := o.store().Create(ctx, name, store.Options{Replace: true, Weak: o.weak(name)})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer out.Abort()
	buffered := bufio.NewWriterSize(out, 1<<18)
	warning, err := indexformat.Export(buffered, f, indexformat.Shard{
		Index: sh.Index, Plain: sh.Reader(ctx), Size: sh.Plain(), Compressed: sh.Format != codec.Plain,
	})
	if err == nil {
		err = errors.Join(sh.Index.Err(), buffered.Flush())
	}
	if err != nil {
		return err
	}
	if err := out.Commit(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if warning != "" {
		o.UI.Warn("%s: %s", sh.Name, warning)
	}
	o.UI.Detail("%s: written", name)
	return nil
}
