package job

import "github.com/shardfs/shardfs/internal/ui"

// show shows how far the run has come.
func (r *run) show() {
	if r.shown != nil {
		r.shown.Set(r.progressShown())
	}
}

// progressShown returns how far the run has come, for the user.
func (r *run) progressShown() (w ui.Work) {
	w.Samples, w.Bytes, w.Failed = int64(r.now.Samples), r.now.BytesIn, int64(len(r.now.Failed))
	w.Total, w.About = r.total.Chosen(r.Choice)
	if w.Total == 0 && !r.several() {
		w.Bytes, w.Size = r.names[0].Position(r.Workspace.Source, w.Bytes)
	}
	return w
}
