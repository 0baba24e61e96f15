package workspace

import (
	"context"
	"iter"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/pack"
)

// mayGrow reports whether the samples of a name may be copied while the shard is being indexed: then each byte of a remote
// shard is fetched once, by one process, and the first commands run when the first samples have come.
func (o *Options) mayGrow(n source.Name) bool {
	return o.Mode != Mount && !o.Indexed && n.MayGrow(o.Source.Shard)
}

// copies reports whether the samples of a shard whose index is at hand are copied where they could be mounted: those of a
// remote one that are packed are fetched by this process in any case, and would be by the server of the mount, too.
func (o *Options) copies(n source.Name) bool {
	return o.Packed && o.Mode == Auto && store.IsRemote(n.Text)
}

// openGrowing opens a workspace for a shard of which no index is at hand. It returns nil if there is one, or if it is
// better to have one first: copies have all bytes of a sample, of which a command may read few.
func openGrowing(
	ctx context.Context, n source.Name, o Options, dir *scratch.Scratch, copies *extractor,
) (*Workspace, error) {
	o.Source.Once = true
	src, err := source.Open(ctx, n, o.Source)
	if err != nil {
		return nil, err
	}
	if !src.Shard.Grew() || !o.Packed && !o.Some && !isSmall(ctx, src.Shard) {
		return nil, src.Close()
	}
	o.Source.UI.Detail("samples are copied to %s while %s is indexed", dir.Dir, src.Name)
	return &Workspace{
		Name: src.Name, Shard: src.Shard, Witness: src.Witness(), kind: &growing{copied: &copied{dir, copies, src}},
	}, nil
}

// smallSample is up to how many bytes a sample is that a scan fetches with its headers.
const smallSample = 1 << 20

// isSmall reports whether the first sample of a shard is small. If the shard has no other, it does not matter.
func isSmall(ctx context.Context, sh *shard.Shard) bool {
	small := false
	err := sh.Wait(ctx, func(x *index.Index) bool {
		if x.Samples() < 2 {
			return false
		}
		first := x.Sample(0)
		small = x.Offset(first.End)-x.Offset(first.Start) <= smallSample
		return true
	})
	return small && err == nil
}

// growing copies the samples of a shard that is being indexed.
type growing struct {
	*copied
	all bool // Tasks has yielded all samples
}

// Tasks implements kind.
func (g *growing) Tasks() iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		for f, err := range g.src.Found() {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(g.task(f.Base, f.Sample, func(t *copiedPlace) place { return t }), nil) {
				return
			}
		}
		g.all = true
	}
}

// Finish implements kind. What comes after samples that nobody wants belongs to none that was packed.
func (g *growing) Finish(_ context.Context, w *pack.Writer) error {
	if !g.all {
		return nil
	}
	base, err := g.src.FoundAll()
	if err != nil {
		return err
	}
	return w.Rest(base)
}
