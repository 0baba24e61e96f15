package job

import (
	"slices"

	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// countTotal takes the samples of a leg into the estimate of all.
func (r *run) countTotal(l *leg) {
	if r.total == nil {
		var names []source.Name
		for _, number := range r.todo {
			names = append(names, r.names[number])
		}
		r.total = source.NewTotal(names)
	}
	r.total.Opened(slices.Index(r.todo, l.number), l.space.Samples)
	r.entered = l.space.Shard
}

// show shows how far the run has come.
func (r *run) show() {
	if r.shown != nil {
		r.shown.Set(r.progressShown())
	}
}

// progressShown returns how far the run has come, for the user.
func (r *run) progressShown() (w ui.Work) {
	w.Samples, w.Bytes, w.Failed = int64(r.now.Samples), r.now.BytesIn, int64(len(r.now.Failed))
	if r.total != nil {
		w.Total, w.About = r.total.Chosen(r.Choice)
	}
	if w.Total == 0 && !r.several() {
		w.Bytes, w.Size = r.names[0].Position(r.Workspace.Source, r.entered, w.Bytes)
	}
	return w
}
