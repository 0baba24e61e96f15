package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// keepSharers returns a usage error if in, the index of a shard in a format, is that of another shard beside it: some
// tools give several shards one name of their index. An index that fits none of the others may be replaced, as it is one
// of this shard before that was written anew; so may one that fits this one, too, whose copies the others are.
func (o *Options) keepSharers(ctx context.Context, f indexformat.Format, name string, in store.Object) error {
	others, err := o.sharers(ctx, f, name)
	if err != nil || len(others) == 0 {
		return err
	}
	if own, err := o.fits(ctx, f, name, in); own && err == nil {
		return nil
	}
	for _, other := range others {
		fits, err := o.fits(ctx, f, other, in)
		if err != nil {
			return fmt.Errorf("the index %s may be that of another shard: %w", store.Redact(indexName(f, name)), err)
		}
		if fits {
			err := ui.Usagef("%s: the index of %s, so it is not replaced",
				store.Redact(indexName(f, name)), store.Redact(other))
			return ui.WithHint(err,
				"its readers take the name of a shard up to the first dot: a-000.tar, not a.000.tar")
		}
	}
	return nil
}

// fits reports whether an index in a format is that of a shard. A missing shard, or a file that is none, has none.
func (o *Options) fits(ctx context.Context, f indexformat.Format, name string, in store.Object) (bool, error) {
	sh, err := shard.Open(ctx, name, shard.Options{Store: o.Store})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, index.ErrNotTar) || errors.Is(err, store.ErrNotRegular) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer sh.Close()
	im, err := indexformat.Import(io.NewSectionReader(store.At(ctx, in), 0, in.Size()), f, sh.Plain())
	if err != nil {
		return false, context.Cause(ctx)
	}
	return im.Check(sh.Index) == nil, errors.Join(sh.Index.Err(), context.Cause(ctx))
}

// sharers returns the names of the other plain shards whose index in a format has the name of that of a shard.
func (o *Options) sharers(ctx context.Context, f indexformat.Format, name string) (others []string, err error) {
	object, query := store.CutQuery(name)
	local, err := store.Path(name)
	if err == nil {
		object, query = local, ""
	}
	at := indexformat.Name(f, object)
	add := func(other string) {
		if format, ok := codec.FormatOf(other); ok && format == codec.Plain && path.Base(other) != path.Base(object) &&
			path.Base(indexformat.Name(f, other)) == path.Base(at) {
			others = append(others, other+query)
		}
	}
	if err == nil {
		entries, err := os.ReadDir(filepath.Dir(object))
		for _, e := range entries {
			add(filepath.Join(filepath.Dir(object), e.Name()))
		}
		return others, err
	}
	lister, ok := store.ListerFor(o.store(), name)
	if !ok {
		return nil, nil
	}
	stem := strings.TrimSuffix(at, path.Ext(at))
	for entry, err := range lister.List(ctx, stem+query) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, fmt.Errorf("%s: %w", store.Redact(stem), err)
		}
		if other, _ := store.CutQuery(entry.Name); err == nil && path.Dir(other) == path.Dir(object) {
			add(other)
		}
	}
	return others, nil
}
