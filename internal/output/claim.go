package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/claim"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// Claim claims the files that are written for an output and the indexes beside it. Flag is what names the output. It
// returns an error if an index would replace a file that is not one.
func (o *Options) Claim(ctx context.Context, f *claim.Files, flag string) error {
	switch {
	case o.Name == Stdout:
		f.WriteFile(flag+" -: standard output", o.Stdout)
	case o.IsFile():
		if err := store.MayCreate(o.store(), o.Name); err != nil {
			return fmt.Errorf("%s: %w", store.Redact(o.Name), err)
		}
		f.Write(flag+" "+store.Redact(o.Name), o.Name)
		return o.ClaimIndexes(ctx, f, o.Name)
	}
	return nil
}

// ClaimIndexes claims the indexes that are written beside a shard. It returns an error if one would replace a file that
// is not an index of its kind, or that of another shard.
func (o *Options) ClaimIndexes(ctx context.Context, f *claim.Files, name string) error {
	if o.Sidecar || len(o.Exports) > 0 {
		if err := store.MayCreate(o.store(), name); err != nil {
			err = fmt.Errorf("%s: an index beside it: %w", store.Redact(name), err)
			return ui.WithHint(err, "make it beside a local copy of the shard, and upload it")
		}
	}
	if o.Sidecar {
		at := store.Beside(name, shard.SidecarSuffix)
		f.Write("the sidecar "+store.Redact(at), at)
	}
	for _, format := range o.Exports {
		at := indexName(format, name)
		f.Write(fmt.Sprintf("the %s index %s", format, store.Redact(at)), at)
	}
	return o.checkIndexes(ctx, name, false)
}

// checkIndexes returns an error if an index beside a shard would replace a file that is not an index of its kind or,
// unless that was found out before the shard was published, one that is the index of another shard.
func (o *Options) checkIndexes(ctx context.Context, name string, published bool) error {
	if o.Sidecar {
		err := o.mayReplace(ctx, store.Beside(name, shard.SidecarSuffix), func(in store.Object) (bool, error) {
			return in.Size() == 0 || index.IsFile(store.At(ctx, in), in.Size()), nil
		})
		if err != nil {
			return err
		}
	}
	for _, format := range o.Exports {
		at := indexName(format, name)
		if at == name {
			continue // Claim finds out
		}
		err := o.mayReplace(ctx, at, func(in store.Object) (bool, error) {
			info, _ := o.store().Stat(ctx, name) // the zero Info if there is no shard yet
			if !indexformat.Owns(format, store.At(ctx, in), in.Size(), info.Size) {
				return false, nil
			}
			if published {
				return true, nil
			}
			return true, o.keepSharers(ctx, format, name, in)
		})
		if err != nil {
			return fmt.Errorf("--export %s: %w", format, err)
		}
	}
	return nil
}

// indexName returns the name of the index of a shard for another tool.
func indexName(f indexformat.Format, name string) string {
	object, query := store.CutQuery(name)
	return indexformat.Name(f, object) + query
}

// mayReplace returns an error if there is a file of that name which is not one of those that may be replaced.
func (o *Options) mayReplace(ctx context.Context, name string, may func(store.Object) (bool, error)) error {
	in, err := o.store().Open(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, store.ErrNotRegular):
	case err != nil:
		return fmt.Errorf("%s: %w", store.Redact(name), err)
	default:
		defer in.Close()
		if ok, err := may(in); ok || err != nil {
			return err
		}
	}
	err = fmt.Errorf("%s: %w", store.Redact(name), shard.ErrNotIndex)
	return ui.WithHint(err, "another program may need it: move it away")
}
