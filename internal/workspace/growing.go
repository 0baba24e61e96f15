package workspace

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// grows reports whether the samples of a name may be copied while the shard is being indexed: then each byte of a remote
// shard is fetched once, by one process, and the first commands run when the first samples have come.
func (o *Options) grows(n source.Name) bool {
	so := &o.Source.Shard
	return o.Whole && o.Mode != Mount && n.Kind == source.Shard && store.IsRemote(n.Text) && so.IndexFile == "" &&
		!so.AllowTruncated
}

// openGrowing opens a workspace for a shard of which no index is at hand. It returns nil if there is one.
func openGrowing(
	ctx context.Context, n source.Name, o Options, dir *scratch.Scratch, copies *extractor,
) (*Workspace, error) {
	o.Source.Shard.Growing = true
	src, err := source.Open(ctx, n, o.Source)
	if err != nil {
		return nil, err
	}
	if !src.Shard.Growing() {
		return nil, src.Close()
	}
	o.Source.UI.Detail("samples are copied to %s while %s is indexed", dir.Dir, src.Name)
	return &Workspace{
		Name: src.Name, Shard: src.Shard, Witness: src.Witness(),
		kind: &growing{&copied{dir, copies, src}, ctx, o.Source.UI},
	}, nil
}

// growing copies the samples of a shard that is being indexed.
type growing struct {
	*copied
	ctx context.Context // of Open
	ui  *ui.UI
}

// errEnough ends the samples when the caller wants no more.
var errEnough = errors.New("no more samples are wanted")

// Tasks implements kind.
func (g *growing) Tasks() iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		sh := g.src.Shard
		base := pack.Base{Plain: sh.Bytes(), Input: g.src.Input, Grows: sh.Index}
		err := source.EachSample(g.ctx, g.ui, sh, func(x *index.Index, n int) func() error {
			if base.Index == nil || base.Index.Samples() <= n {
				base.Index = x.Known()
			}
			base := base
			return func() error {
				s := base.Index.Sample(n)
				sh.Follow(base.Index.Offset(s.End))
				if !yield(g.task(base, s, func(t *copiedPlace) place { return t }), nil) {
					return errEnough
				}
				return nil
			}
		})
		if err != nil && err != errEnough {
			yield(nil, err)
		}
	}
}

// Finish implements kind. All tasks have been yielded.
func (g *growing) Finish(_ context.Context, w *pack.Writer) error {
	f, err := g.src.Shard.Built()
	if err != nil {
		return fmt.Errorf("%s: %w", g.src.Name, err)
	}
	base := g.src.Base()
	base.Size, base.Grows = f.Map.Plain, base.Index
	return w.Rest(base)
}
