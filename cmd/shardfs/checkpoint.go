package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// A run with --scratch notes there, at borders of samples, how much of its output is on disk. If it does not come to its end,
// the temporary file of the output stays, and --resume makes the same output from it: what was packed is copied, and
// compressed again, because an encoder cannot be stopped and gone on with; commands run for the other samples only.

// checkpointFile is the name of the note in the scratch directory.
const checkpointFile = "checkpoint.json"

const checkpointVersion = 1

// errNoResume says that a run cannot go on with what another one has left.
var errNoResume = errors.New("cannot be resumed")

// checkpoint is what a run needs to go on with what another one has done.
type checkpoint struct {
	Version int      `json:"version"`
	Output  string   `json:"output"` // absolute
	Run     settings `json:"run"`
	progress
	output.Position
}

// settings are what decides, in a run, on the bytes of its output: names and values.
type settings [][2]string

// differs returns the name of what is not the same in other settings; "" for nothing.
func (s settings) differs(other settings) string {
	for i, setting := range s {
		if i >= len(other) || other[i] != setting {
			return setting[0]
		}
	}
	return ""
}

// checkpoints writes the checkpoints of a run.
type checkpoints struct {
	file  string
	old   *checkpoint   // that an earlier run has left; nil: none
	next  checkpoint    // what all checkpoints have in common
	last  time.Time     // when the last one was written
	cost  time.Duration // of that
	saved int           // samples in it
}

// checkResume refuses --resume where there is nothing that could be gone on with.
func (o *runOptions) checkResume(args []string) error {
	switch {
	case !o.resume:
		return nil
	case o.scratch == "":
		return ui.Usagef("--resume is for runs with --scratch")
	case o.output.name == "" || o.output.name == "-" || pipe.Is(o.output.name):
		return ui.Usagef("--resume is for runs with -o and a file")
	case len(args) == 0 || args[0] == "-" || pipe.Is(args[0]) || isDir(args[0]):
		return ui.Usagef("--resume is for shards that can be read twice")
	case o.output.mtime == "now":
		return ui.Usagef("--resume: with --mtime now no two runs write the same; take @SECONDS")
	}
	return nil
}

// openCheckpoints looks for what an earlier run has left, and readies the checkpoints of this one if it can have any.
func (r *course) openCheckpoints(name string) error {
	if r.output.name == "" || r.output.name == "-" || pipe.Is(r.output.name) {
		return nil
	}
	file, err := filepath.Abs(r.output.name)
	if err != nil {
		return err
	}
	if r.scratch == "" || name == "-" || pipe.Is(name) || isDir(name) || r.output.mtime == "now" {
		if output.IsInterrupted(file) {
			r.ui.Say("hint", file+": a run to this output was stopped; --resume with its --scratch goes on")
		}
		return nil
	}
	k := &checkpoints{file: filepath.Join(r.scratch, checkpointFile)}
	k.next = checkpoint{Version: checkpointVersion, Output: file}
	if k.old, err = readCheckpoint(k.file); err != nil {
		return err
	}
	if k.old != nil && !r.resume {
		r.ui.Say("hint", fmt.Sprintf("%s: a run to %s was stopped after %s; --resume goes on, and it is kept until there is an output",
			r.scratch, k.old.Output, ui.Count(k.old.Samples, "sample")))
		return nil
	}
	r.points = k
	return nil
}

// readCheckpoint reads what an earlier run has left; nil if that is nothing, or its output has come about since.
func readCheckpoint(file string) (*checkpoint, error) {
	var st unix.Stat_t
	switch err := unix.Lstat(file, &st); {
	case err == unix.ENOENT:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case int(st.Uid) != os.Geteuid():
		return nil, ui.Usagef("%s: a checkpoint of another user", file) // who could put anything into the output
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := new(checkpoint)
	if err := json.Unmarshal(b, c); err != nil || c.Version != checkpointVersion {
		return nil, ui.Usagef("%s: not a checkpoint of this version; remove it to begin anew", file)
	}
	exists, err := output.IsResumable(c.Output, c.Part)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Output, err)
	}
	if !exists {
		return nil, nil
	}
	return c, nil
}

// goOn goes on with what an earlier run has left, if it shall.
func (r *course) goOn(ctx context.Context) error {
	k := r.points
	if k == nil {
		return nil
	}
	k.next.Run = r.settings()
	if k.old == nil {
		if r.resume {
			r.ui.Detail("%s: nothing to resume", r.scratch)
		}
		return nil
	}
	if what := k.next.Run.differs(k.old.Run); k.old.Output != k.next.Output || what != "" {
		if what == "" {
			what = "output"
		}
		return ui.WithHint(ui.Usagef("%s: %w: the run that was stopped had another %s", r.scratch, errNoResume, what),
			"remove "+k.file+" to begin anew")
	}
	r.from = k.old.progress
	k.saved = k.old.Samples
	if err := r.out.Resume(ctx, k.old.Position, baseOf(r.space.shard())); err != nil {
		return fmt.Errorf("%s: %w: %w", k.old.Output, errNoResume, err)
	}
	r.ui.Note("%s: going on after %s", r.output.name, ui.Count(r.from.Samples, "sample"))
	return r.failAgain()
}

// failAgain puts the samples that failed in an earlier run into the output of failed ones.
func (r *course) failAgain() error {
	failed := r.from.Failed
	if r.failures == nil || len(failed) == 0 {
		return nil
	}
	for t, err := range r.space.tasks() {
		if err != nil {
			return err
		}
		if t.number != failed[0] {
			continue
		}
		if err := r.failures.WriteDir(t.base, t.before); err != nil {
			return fmt.Errorf("%s: %w", r.failed, err)
		}
		if failed = failed[1:]; len(failed) == 0 {
			break
		}
	}
	return nil
}

// settings returns what decides on the bytes of the output. Two runs with the same settings write the same, as far as that is
// up to shardfs.
func (r *course) settings() settings {
	sh := r.space.shard()
	quote := func(words []string) string { return fmt.Sprintf("%q", words) }
	return settings{
		{"version of shardfs", version},
		{"shard", fmt.Sprintf("%s %+v %s", sh.Name, sh.Origin, sh.Cut)},
		{"command", quote(r.argv)},
		{"--batch", strconv.Itoa(r.batch)}, {"--worker", strconv.FormatBool(r.worker)},
		{"--skip", strconv.Itoa(r.skip)}, {"--count", strconv.Itoa(r.count)}, {"--keys", r.keysDigest()},
		{"--on-error", r.onError}, {"--failed", r.failed}, {"--report", r.reportTo}, {"--add-log", r.addLog},
		{"option of the output", r.output.settings()},
	}
}

// reached takes note of how far the run has come, and writes a checkpoint if it is time to.
func (k *checkpoints) reached(r *course) error {
	// It takes as long as the disk needs. With this share of the time, nobody notices.
	const share = 20
	if k == nil || time.Since(k.last) < share*k.cost {
		return nil
	}
	begun := time.Now()
	if err := k.write(r); err != nil {
		return fmt.Errorf("%s: %w", k.file, err)
	}
	k.last = time.Now()
	k.cost = k.last.Sub(begun)
	return nil
}

// write makes durable what a checkpoint is of, and then the checkpoint.
func (k *checkpoints) write(r *course) (err error) {
	c := k.next
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
	err = k.save(append(b, '\n'))
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil // a command may have filled the disk: the last one stays, and there will be others
	}
	if err != nil {
		return err
	}
	k.saved = c.Samples
	r.out.Keep()
	return nil
}

// save replaces the checkpoint at once.
func (k *checkpoints) save(b []byte) error {
	file, err := store.Create(k.file, store.Options{Replace: true})
	if err != nil {
		return err
	}
	if _, err := file.Write(b); err != nil {
		return errors.Join(err, file.Abort())
	}
	return file.Commit()
}

// done removes the checkpoint of a run whose output is published.
func (k *checkpoints) done() error {
	if k == nil {
		return nil
	}
	if err := os.Remove(k.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	k.saved = 0
	return nil
}

// explain adds to the error that a run ends with how it can be gone on with.
func (k *checkpoints) explain(err error) error {
	if k == nil || err == nil || k.saved == 0 {
		return err
	}
	return ui.WithHint(err, fmt.Sprintf("--resume goes on after %s", ui.Count(k.saved, "sample")))
}

// keysDigest stands for the chosen keys.
func (r *course) keysDigest() string {
	if r.keys == nil {
		return ""
	}
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(r.keys)) {
		fmt.Fprintf(sum, "%q\n", key)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
