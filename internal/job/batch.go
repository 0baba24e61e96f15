package job

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// chosen yields the chosen samples of the open source, without those that an earlier run has finished.
func (r *run) chosen() iter.Seq2[*workspace.Task, error] {
	return func(yield func(*workspace.Task, error) bool) {
		if r.chooser.Done() {
			return
		}
		for t, err := range r.space.Tasks() {
			if err != nil {
				yield(nil, err)
				return
			}
			switch {
			case !r.chooser.Take(t.Key):
				if err := t.Free(); err != nil {
					yield(nil, err)
					return
				}
				continue
			case r.chooser.Taken > r.from.Samples && !yield(t, nil), r.chooser.Done():
				return
			}
		}
	}
}

// jobs yields the jobs of the open source: one for each chosen sample, or for each batch of them. An error that ends
// the sequence early is stored in err.
func (r *run) jobs(ctx context.Context, err *error) iter.Seq[runner.Job] {
	return func(yield func(runner.Job) bool) {
		var batch []*workspace.Task
		for t, taskErr := range r.chosen() {
			if taskErr != nil {
				*err = taskErr
				return
			}
			if batch = append(batch, t); len(batch) < r.Batch {
				continue
			}
			if !yield(r.job(batch)) || ctx.Err() != nil {
				return
			}
			batch = nil
		}
		if len(batch) > 0 {
			yield(r.job(batch))
		}
	}
}

// job returns the job of one sample, or of a batch.
func (r *run) job(batch []*workspace.Task) runner.Job {
	prepare := func(ctx context.Context, attempt int) (runner.Place, error) {
		t := batch[0]
		dir, err := prepareSample(ctx, t, attempt)
		if err != nil {
			return runner.Place{}, err
		}
		argv, err := r.argv(t, dir)
		return runner.Place{Dir: dir, Within: t.Within, Argv: argv, Env: environment(t, attempt)}, err
	}
	if r.Batch > 0 {
		prepare = func(ctx context.Context, attempt int) (place runner.Place, err error) {
			place.Env = []string{attemptVariable(attempt)}
			for _, t := range batch {
				dir, err := prepareSample(ctx, t, attempt)
				if err != nil {
					return place, err
				}
				place.Args = append(place.Args, dir)
			}
			place.Dir, err = os.Getwd()
			return place, err
		}
	}
	discard := func() (err error) {
		for _, t := range batch {
			err = errors.Join(err, t.Discard())
		}
		return err
	}
	return runner.Job{Prepare: prepare, Discard: discard, Tag: batch}
}

// argv returns the command with the absolute path of its script, unless the sample's directory has a file of that name.
// A sample of a shard has only files with names of members. It returns nil for a command without a script.
func (r *run) argv(t *workspace.Task, dir string) ([]string, error) {
	if r.Script == 0 {
		return nil, nil
	}
	if t.Within != "" {
		if _, err := os.Lstat(filepath.Join(dir, r.Argv[r.Script])); err == nil {
			return nil, nil
		}
	}
	argv := slices.Clone(r.Argv)
	var err error
	argv[r.Script], err = filepath.Abs(argv[r.Script])
	return argv, err
}

// prepareSample prepares the directory of a sample. If the sample has no key with which a command can run, the error is
// a failure of the sample.
func prepareSample(ctx context.Context, t *workspace.Task, attempt int) (dir string, err error) {
	if len(t.Key) > index.MaxKey {
		err = fmt.Errorf("%w: it has %d bytes, more than %d", pack.ErrKey, len(t.Key), index.MaxKey)
	} else {
		dir, err = t.Prepare(ctx, attempt)
	}
	if errors.Is(err, pack.ErrKey) {
		err = failure{err}
	}
	return dir, err
}

// environment returns the environment variables that describe a sample to its command.
func environment(t *workspace.Task, attempt int) []string {
	return []string{
		"SAMPLE_KEY=" + t.Key, "SAMPLE_INDEX=" + strconv.Itoa(t.Number), "SAMPLE_SOURCE=" + t.Source,
		attemptVariable(attempt),
	}
}

func attemptVariable(attempt int) string { return "SAMPLE_ATTEMPT=" + strconv.Itoa(attempt) }

// nameOf describes the samples of a batch for messages.
func nameOf(batch []*workspace.Task) string {
	first := shortened(batch[0].Key)
	if len(batch) == 1 {
		return first
	}
	return fmt.Sprintf("%s to %s (%d together)", first, shortened(batch[len(batch)-1].Key), len(batch))
}

// shortened returns a key, or the ends of one that would make a message hard to read.
func shortened(key string) string {
	const most, end = 300, 100
	if len(key) <= most {
		return key
	}
	return key[:end] + "…" + key[len(key)-end:]
}
