package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// CheckpointFile is the name of the checkpoint in Options.Checkpoints.
const CheckpointFile = "checkpoint.json"

const checkpointVersion = 1

// errNoResume means that a run cannot continue the interrupted one.
var errNoResume = errors.New("cannot be resumed")

// StoppedError is the error of a run that has left a checkpoint and can be resumed.
type StoppedError struct {
	Err     error
	Samples int // finished samples, after which it would continue
}

func (e *StoppedError) Error() string { return e.Err.Error() }
func (e *StoppedError) Unwrap() error { return e.Err }

// checkpoint is the state from which another run can continue.
type checkpoint struct {
	Version int          `json:"version"`
	Output  anytext.Text `json:"output"` // absolute
	Run     Settings     `json:"run"`
	progress
	output.Position
}

// Settings determine the bytes of a run's outputs. Each is a name, for messages, and a value, in UTF-8.
type Settings [][2]string

// differs returns the name of the first setting that is missing in others or has another value there; "" if there is
// none.
func (s Settings) differs(others Settings) string {
	values := make(map[string]string)
	for _, setting := range others {
		values[setting[0]] = setting[1]
	}
	for _, setting := range s {
		if value, ok := values[setting[0]]; !ok || value != setting[1] {
			return setting[0]
		}
	}
	return ""
}

// checkpoints writes the checkpoints of a run. It is nil for a run that is not resumable; its methods allow that.
type checkpoints struct {
	file  string
	old   *checkpoint   // left by the earlier run; nil: none
	last  time.Time     // when the last one was written
	cost  time.Duration // how long writing it took
	share int           // checkpoints take at most about 1/share of the time
	saved int           // finished samples in the last one
	in    int           // number of the source that it is in
}

// openCheckpoints reads the checkpoint of the earlier run, if wanted, and prepares those of this one. If the output's
// store keeps no unfinished outputs, the run has no checkpoints.
func (r *run) openCheckpoints(ctx context.Context) error {
	if r.Checkpoints == "" {
		return nil
	}
	if !r.Output.CanResume() {
		if r.Resume {
			return ui.Usagef("%s: a run to it %w: its store keeps no unfinished outputs", r.Output.Name, errNoResume)
		}
		return nil
	}
	// How long a checkpoint takes depends on the disk. A twentieth of the time is not noticed.
	k := &checkpoints{file: filepath.Join(r.Checkpoints, CheckpointFile), share: 20}
	if r.Resume {
		var err error
		if k.old, err = readCheckpoint(ctx, k.file, r.Output); err != nil {
			return err
		}
	}
	r.points = k
	if k.old == nil || slices.Contains(r.todo, k.old.Source) {
		return nil
	}
	if k.old.Source >= len(r.names) {
		return k.another("list of shards")
	}
	k.old = nil // that output was published since
	return nil
}

// another returns the error for a run that cannot be continued because it had another setting, or another output.
func (k *checkpoints) another(what string) error {
	err := ui.Usagef("%s: %w: the run that was interrupted had another %s", filepath.Dir(k.file), errNoResume, what)
	return ui.WithHint(err, "remove "+k.file+" to start over")
}

// absolute returns the absolute name of the output of a leg.
func (r *run) absolute(l *leg) (string, error) {
	o := r.Output
	if l.ownOut {
		o.Name = r.Outputs[l.number]
	}
	return o.Absolute()
}

// Interrupted looks for the checkpoint of an interrupted run in o.Checkpoints. It returns the output of that run and
// how many samples it had finished; "" if there is no checkpoint, or its output was published since.
func Interrupted(ctx context.Context, o Options) (name string, samples int, err error) {
	c, err := readCheckpoint(ctx, filepath.Join(o.Checkpoints, CheckpointFile), o.Output)
	if c == nil || err != nil {
		return "", 0, err
	}
	return string(c.Output), c.Samples, nil
}

// readCheckpoint reads the checkpoint of an earlier run; nil if there is none, or its output was published since.
func readCheckpoint(ctx context.Context, file string, o output.Options) (*checkpoint, error) {
	b, err := atomicfile.ReadOwn(file, 1<<30) // with what an encoder holds back
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, atomicfile.ErrForeign):
		return nil, &ui.UsageError{Err: err} // it could put anything into the output
	case err != nil:
		return nil, err
	}
	c := new(checkpoint)
	if err := json.Unmarshal(b, c); err != nil || c.Version != checkpointVersion {
		return nil, ui.Usagef("%s: not a checkpoint of this version; remove it to start over", file)
	}
	o.Name = string(c.Output)
	exists, err := o.HasPart(ctx, string(c.Part))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Output, err)
	}
	if !exists {
		return nil, nil
	}
	return c, nil
}

// source returns the number of the source at which the run begins.
func (k *checkpoints) source() int {
	if k == nil || k.old == nil {
		return 0
	}
	return k.old.Source
}

// continues reports whether the earlier run was interrupted in a source.
func (k *checkpoints) continues(number int) bool {
	return k != nil && k.old != nil && k.old.Source == number
}

// part returns what an interrupted run has left of the output of a source; "" if it has left nothing of it.
func (k *checkpoints) part(number int) string {
	if !k.continues(number) {
		return ""
	}
	return string(k.old.Part)
}

// resume continues the earlier run, if there is one. First is the first leg.
func (r *run) resume(ctx context.Context, first *leg) error {
	k := r.points
	if k == nil {
		return nil
	}
	if k.old == nil {
		if r.Resume {
			r.UI.Detail("%s: nothing to resume", r.Checkpoints)
		}
		return nil
	}
	r.from, r.now = k.old.progress, k.old.progress
	k.saved, k.in = k.old.Samples, k.old.Source
	if r.Outputs == nil {
		r.chooser.Seen, r.chooser.Taken = r.from.Seen, r.from.Taken
	}
	if r.failures == nil {
		return nil
	}
	for i, number := range r.from.Failed {
		if err := r.replayFailure(ctx, r.failures, first, r.from.failedIn(i), number); err != nil {
			return err
		}
	}
	return nil
}

// failedIn returns the number of the source of one of Failed.
func (p *progress) failedIn(i int) int {
	if i < len(p.FailedIn) {
		return p.FailedIn[i]
	}
	return p.Source
}

// continueLeg continues the output of a leg in which the earlier run was interrupted. The leg is open.
func (r *run) continueLeg(ctx context.Context, l *leg) error {
	k := r.points
	name, err := r.absolute(l)
	if err != nil {
		return err
	}
	if what := r.settings(l).differs(k.old.Run); what != "" {
		return k.another(what)
	}
	if string(k.old.Output) != name {
		return k.another("output")
	}
	from := &k.old.progress
	l.resumed, l.done = from, from.Samples-from.Taken
	l.tally = tally{samples: l.done, bytesIn: from.BytesIn - from.BytesBefore}
	position, base := k.old.Position, pack.Base{}
	if s := l.space.Shard; s != nil && !from.Unpacked {
		base = source.BaseOf(s)
	} else {
		position.Mark.Row = 0
	}
	if err := l.out.Resume(ctx, position, base); err != nil {
		return fmt.Errorf("%s: %w: %w", k.old.Output, errNoResume, err)
	}
	shown, finished := r.Output.Name, from.Samples
	if l.ownOut {
		shown, finished = r.Outputs[l.number], l.done
	}
	r.UI.Note("%s: continuing after %s", shown, ui.Count(finished, "sample"))
	for i, number := range from.Failed {
		if from.failedIn(i) != l.number {
			continue
		}
		if l.failed++; !l.ownFailures {
			continue
		}
		if err := r.replayFailure(ctx, l.failures, l, l.number, number); err != nil {
			return err
		}
	}
	return nil
}

// replayFailure packs a sample that failed in the earlier run into an output of failed samples. In is the number of its
// source, number that of the sample in it. Open is a leg that may be of that source.
func (r *run) replayFailure(ctx context.Context, out *output.Output, open *leg, in, number int) error {
	opened := open.number == in && open.space != nil
	var sh *shard.Shard
	if opened {
		sh = open.space.Shard
	} else {
		s, err := source.Open(ctx, r.names[in], r.Workspace.Source)
		if err != nil {
			return err
		}
		defer s.Close()
		sh = s.Shard
	}
	base := source.BaseOf(sh)
	if number >= base.Index.Samples() {
		return fmt.Errorf("%s: %w: it has no sample %d", sh.Name, errNoResume, number)
	}
	s := base.Index.Sample(number)
	if err := packFailure(out, base, pack.Dir{Path: s.Path, Sample: &s, Untouched: true}); err != nil {
		return err
	}
	if opened {
		return nil
	}
	if err := out.Rest(base); err != nil { // while the source is still open
		return fmt.Errorf("%s: %w", out.Name, err)
	}
	return nil
}

// settings returns all settings, including those for the source of a leg.
func (r *run) settings(l *leg) Settings {
	sh := l.space.Shard
	s := Settings{{"shard", fmt.Sprintf("%q %+v %s", sh.Name, sh.Origin, sh.Cut)}}
	if r.several() {
		var names []string
		for _, n := range r.names {
			names = append(names, n.String())
		}
		s = append(s, [2]string{"list of shards", fmt.Sprintf("%q", names)})
	}
	return append(s, r.Settings...)
}

// maybeSave writes a checkpoint, unless the last one was so slow and so recent that another would slow down the run, or is
// still needed: the output that it is of is being published.
func (k *checkpoints) maybeSave(r *run) error {
	if k == nil || r.publishing != nil && r.Outputs != nil || time.Since(k.last) < time.Duration(k.share)*k.cost {
		return nil
	}
	begun := time.Now()
	if err := k.save(r); err != nil {
		return fmt.Errorf("%s: %w", k.file, err)
	}
	k.last = time.Now()
	k.cost = k.last.Sub(begun)
	return nil
}

// save makes the outputs and the report durable, and then writes the checkpoint.
func (k *checkpoints) save(r *run) (err error) {
	l := r.leg
	c := checkpoint{Version: checkpointVersion, Run: r.settings(l), progress: r.now}
	name, err := r.absolute(l)
	if err != nil {
		return err
	}
	c.Output = anytext.Text(name)
	if c.Position, err = l.out.Position(); err != nil {
		return err
	}
	if c.Report, err = r.report.sync(); err != nil {
		return err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	err = k.replace(append(b, '\n'))
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil // a command may have filled the disk: keep the last checkpoint, and try again later
	}
	if err != nil {
		return err
	}
	k.saved, k.in = c.Samples, l.number
	if l.ownOut {
		k.saved = l.samples
	}
	l.out.Keep(true)
	return nil
}

// replace replaces the checkpoint atomically.
func (k *checkpoints) replace(b []byte) error {
	return atomicfile.WriteFile(k.file, b, atomicfile.Options{Perm: 0o600, Replace: true})
}

// remove removes the checkpoint of a run whose output is published.
func (k *checkpoints) remove() error {
	if k == nil {
		return nil
	}
	if err := os.Remove(k.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	k.saved = 0
	return nil
}

// giveUp removes what would be needed to continue a leg, which would end in the same way.
func (k *checkpoints) giveUp(l *leg) error {
	if k == nil {
		return nil
	}
	l.out.Keep(false)
	return k.removeOf(l)
}

// removeOf removes the checkpoint if it is of the output of a leg.
func (k *checkpoints) removeOf(l *leg) error {
	if k == nil || l.ownOut && k.in != l.number {
		return nil
	}
	return k.remove()
}

// stopped wraps the error that ended a run in a StoppedError if there is a checkpoint.
func (k *checkpoints) stopped(err error) error {
	if k == nil || err == nil || k.saved == 0 {
		return err
	}
	return &StoppedError{err, k.saved}
}
