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
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/ui"
)

// WriteIndexes writes indexes beside a shard of a store, or of local files if st is nil: its index file, if sidecar is set, and those of other tools.
func WriteIndexes(ctx context.Context, sh *shard.Shard, st store.Store, sidecar bool, exports []indexformat.Format, u *ui.UI) error {
	if sh.Cut != "" {
		return fmt.Errorf("%s: %w: an index of a part of it is of no use to others: %s", sh.Name, index.ErrTruncated, sh.Cut)
	}
	if st == nil {
		st = file.Store{}
	}
	if sidecar {
		if err := sh.Save(ctx, sh.Path()+shard.SidecarSuffix); err != nil {
			return err
		}
	}
	for _, f := range exports {
		name := indexformat.Name(f, sh.Path())
		if name == sh.Path() {
			return ui.Usagef("--export %s: it would take the place of the shard %s", f, sh.Name)
		}
		if err := export(ctx, sh, st, f, name, u); err != nil {
			return fmt.Errorf("%s: %w", sh.Name, err)
		}
	}
	return nil
}

// export writes the index of another tool.
func export(ctx context.Context, sh *shard.Shard, st store.Store, f indexformat.Format, name string, u *ui.UI) error {
	out, err := st.Create(ctx, name, store.Options{Replace: true})
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
		u.Warn("%s: %s", sh.Name, warning)
	}
	u.Detail("%s: written", name)
	return nil
}
