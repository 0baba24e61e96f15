package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/output"
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
	next  checkpoint    // the fields that all checkpoints have in common
	last  time.Time     // when the last one was written
	cost  time.Duration // how long writing it took
	share int           // checkpoints take at most about 1/share of the time
	saved int           // finished samples in the last one
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
	name, err := r.Output.Absolute()
	if err != nil {
		return err
	}
	// How long a checkpoint takes depends on the disk. A twentieth of the time is not noticed.
	k := &checkpoints{file: filepath.Join(r.Checkpoints, CheckpointFile), share: 20}
	k.next = checkpoint{Version: checkpointVersion, Output: anytext.Text(name)}
	if r.Resume {
		k.old, err = readCheckpoint(ctx, k.file, r.Output)
	}
	if err != nil {
		return err
	}
	r.points = k
	return nil
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

// resume continues the earlier run, if there is one. The caller has opened the source that it had open.
func (r *run) resume(ctx context.Context) error {
	k := r.points
	if k == nil {
		return nil
	}
	k.next.Run = r.settings()
	if k.old == nil {
		if r.Resume {
			r.UI.Detail("%s: nothing to resume", r.Checkpoints)
		}
		return nil
	}
	if what := k.next.Run.differs(k.old.Run); k.old.Output != k.next.Output || what != "" {
		if what == "" {
			what = "output"
		}
		err := ui.Usagef("%s: %w: the run that was interrupted had another %s", r.Checkpoints, errNoResume, what)
		return ui.WithHint(err, "remove "+k.file+" to start over")
	}
	r.from, r.now = k.old.progress, k.old.progress
	r.chooser.Seen, r.chooser.Taken = r.from.Seen, r.from.Taken
	k.saved = k.old.Samples
	position, base := k.old.Position, pack.Base{}
	if s := r.space.Shard; s != nil && !r.from.Unpacked {
		base = source.BaseOf(s)
	} else {
		position.Mark.Row = 0
	}
	if err := r.out.Resume(ctx, position, base); err != nil {
		return fmt.Errorf("%s: %w: %w", k.old.Output, errNoResume, err)
	}
	r.UI.Note("%s: continuing after %s", r.Output.Name, ui.Count(r.from.Samples, "sample"))
	return r.replayFailures(ctx)
}

// replayFailures packs the samples that failed in the earlier run into the output of failed samples.
func (r *run) replayFailures(ctx context.Context) error {
	if r.failures == nil {
		return nil
	}
	for i, number := range r.from.Failed {
		in := r.from.Source
		if i < len(r.from.FailedIn) {
			in = r.from.FailedIn[i]
		}
		if err := r.replayFailure(ctx, in, number); err != nil {
			return err
		}
	}
	return nil
}

// replayFailure packs one failed sample. In is the number of its source, number that of the sample in it.
func (r *run) replayFailure(ctx context.Context, in, number int) error {
	sh := r.space.Shard
	if in != r.from.Source {
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
	if err := r.packFailure(base, pack.Dir{Path: s.Path, Sample: &s, Untouched: true}); err != nil {
		return err
	}
	if in == r.from.Source {
		return nil
	}
	if err := r.failures.Rest(base); err != nil { // while the source is still open
		return fmt.Errorf("%s: %w", r.failures.Name, err)
	}
	return nil
}

// settings returns all settings, including those for the open source.
func (r *run) settings() Settings {
	sh := r.space.Shard
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

// maybeSave writes a checkpoint, unless the last one was so slow and so recent that another would slow down the run.
func (k *checkpoints) maybeSave(r *run) error {
	if k == nil || time.Since(k.last) < time.Duration(k.share)*k.cost {
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
	c := k.next
	if r.several() {
		c.Run = r.settings()
	}
	c.progress = r.now
	if c.Position, err = r.out.Position(); err != nil {
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
	k.saved = c.Samples
	r.out.Keep(true)
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

// stopped wraps the error that ended a run in a StoppedError if there is a checkpoint.
func (k *checkpoints) stopped(err error) error {
	if k == nil || err == nil || k.saved == 0 {
		return err
	}
	return &StoppedError{err, k.saved}
}
