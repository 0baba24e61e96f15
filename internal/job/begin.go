package job

import (
	"context"

	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/pack"
)

// foresee returns the error with which the run would end because of the choice of samples, if that is known before any
// command runs. First is the first leg.
func (r *run) foresee(ctx context.Context, first *leg) error {
	if r.Choice.All() {
		return nil
	}
	chooser := pack.NewChooser(r.sourceName(first), r.Choice)
	switch {
	case r.several():
		chooser = source.Foresee(ctx, r.names, r.Workspace.Source, r.Choice, true)
	case first.space == nil:
		return nil
	case first.space.Shard != nil && !first.space.Shard.Grew():
		for key := range first.space.Shard.Index.Keys() {
			if chooser.Take(key); chooser.Right() {
				break
			}
		}
	case r.names[0].Kind == source.Dir:
		for t, err := range first.space.Tasks() {
			if err != nil {
				return err
			}
			if chooser.Take(t.Key); chooser.Right() {
				break
			}
		}
	default:
		return nil
	}
	if chooser == nil {
		return nil
	}
	r.foreseen = true
	return r.chosenRight(chooser)
}

// chosenRight returns an error if the choice of samples, made over all, was a mistake.
func (r *run) chosenRight(chooser *pack.Chooser) error {
	if err := chooser.Err(); err != nil {
		return err
	}
	if err := chooser.Missing(); err != nil {
		r.UI.Note("%v", err)
	}
	return nil
}

// begin continues an earlier run, if that is wanted, and opens the report. First is the first leg.
func (r *run) begin(ctx context.Context, first *leg) (err error) {
	if err := r.resume(ctx, first); err != nil {
		return err
	}
	if first.space != nil {
		r.countTotal(first)
	}
	r.shown.From(r.progressShown())
	r.report, err = r.openReport(ctx)
	return err
}
