package main

import (
	"errors"
	"os/exec"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// withHint adds what the user can do about an error, if only run knows it.
func (o *runFlags) withHint(err error, args []string) error {
	stopped := new(job.StoppedError)
	switch {
	case errors.As(err, &stopped):
		hint := "--resume continues after " + ui.Count(stopped.Samples, "sample")
		if o.output.pattern != nil {
			hint += " of a shard, and does what is missing"
		}
		return ui.WithHint(err, hint)
	case errors.Is(err, exec.ErrNotFound) && len(o.argv) > 0 && isScript(o.argv[0]):
		return ui.WithHint(err, "use ./"+o.argv[0])
	case errors.Is(err, index.ErrNotTar) && len(args) == 0 && len(o.argv) > 1:
		return ui.WithHint(err, "no shard is named; it comes before --: shardfs run SHARD -- ARGV...")
	}
	return err
}

// ended prints what has become of a source.
func (o *runFlags) ended(u *ui.UI, e job.Outcome, names []source.Name, outputs []string) error {
	if e.Status == job.StatusPublished {
		if err := o.print(u, e.Summary); err != nil {
			return err
		}
	}
	if o.task.given() {
		o.sayEnded(u, e, names[e.Source], outputs)
	}
	return nil
}

// print prints the summary of an output.
func (o *runFlags) print(u *ui.UI, s job.Summary) error {
	if u.JSON && o.output.isFile() {
		return u.Print(s)
	}
	u.Note("%s", s)
	if s.LeftOut > 0 && !u.Quiet {
		u.Say("hint", "files named sample.EXT become members, others do not")
	}
	return nil
}

// printTotal prints the summary of a run. Without an output it does so only if samples failed or with --verbose. If there
// was a summary of each of several outputs, there is no object for all.
func (o *runFlags) printTotal(u *ui.UI, s job.Summary) error {
	switch {
	case o.output.pattern != nil:
		u.Note("%s", s)
	case o.output.name != "":
		return o.print(u, s)
	case s.Failed > 0 || u.Verbose:
		u.Note("%s", s)
	}
	return nil
}
