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
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// jobs yields the jobs of all legs: one for each chosen sample, or for each batch of them, and after each leg but the last
// one, which it stores in r.last, a mark with that leg.
func (r *run) jobs(ctx context.Context, first *leg) iter.Seq[runner.Job] {
	return func(yield func(runner.Job) bool) {
		l := first
		for left := len(r.todo) - 1; l != nil; left-- {
			r.last = l
			if !r.legJobs(ctx, l, yield) || left == 0 || r.chooser.Done() || !yield(runner.Job{Tag: l}) {
				return
			}
			l = r.opener.next(ctx)
		}
	}
}

// legJobs yields the jobs of a leg. It reports whether to go on with the next one.
func (r *run) legJobs(ctx context.Context, l *leg, yield func(runner.Job) bool) bool {
	taken := r.chooser.Taken
	l.seen, l.begun = r.chooser.Seen, time.Now()
	defer func() { l.skipped = r.chooser.Seen - l.seen - (r.chooser.Taken - taken) }()
	if l.exists {
		l.err = source.Pass(ctx, r.names[l.number], r.Workspace.Source, r.chooser)
	}
	if l.err != nil || l.exists {
		return true
	}
	var batch []*workspace.Task
	for t, err := range r.chosen(l) {
		if err != nil {
			l.err = err
			return true
		}
		if batch = append(batch, t); len(batch) < r.Batch {
			continue
		}
		if !yield(r.job(l, batch)) || ctx.Err() != nil {
			return false
		}
		batch = nil
	}
	return len(batch) == 0 || yield(r.job(l, batch))
}

// chosen yields the chosen samples of a leg, without those that an earlier run has finished.
func (r *run) chosen(l *leg) iter.Seq2[*workspace.Task, error] {
	return func(yield func(*workspace.Task, error) bool) {
		taken := 0
		if r.chooser.Done() {
			return
		}
		for t, err := range l.space.Tasks() {
			if err != nil {
				yield(nil, err)
				return
			}
			take := r.chooser.Take(t.Key)
			if !take || l.givenUp.Load() {
				if err := t.Free(); err != nil {
					yield(nil, err)
					return
				}
				if r.Choice.All() {
					return // nobody counts the others
				}
				continue
			}
			if taken++; taken > l.done && !yield(t, nil) || r.chooser.Done() {
				return
			}
		}
	}
}

// handled is the tag of a job: the samples that it is for.
type handled struct {
	leg   *leg
	tasks []*workspace.Task
}

// job returns the job of one sample, or of a batch.
func (r *run) job(l *leg, batch []*workspace.Task) runner.Job {
	prepare := func(ctx context.Context, attempt int) (runner.Place, error) {
		t := batch[0]
		dir, err := prepareSample(ctx, t, attempt)
		if err != nil {
			return runner.Place{}, err
		}
		argv, err := r.argv(t, dir)
		return runner.Place{Dir: dir, Within: t.Within, Argv: argv, Env: environment(l, t, attempt)}, err
	}
	if r.Batch > 0 {
		prepare = func(ctx context.Context, attempt int) (place runner.Place, err error) {
			place.Env = []string{shardVariable(l), attemptVariable(attempt)}
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
	again := func(failed bool) bool { return r.moveAway(batch, failed) }
	return runner.Job{Prepare: prepare, Discard: discard, Again: again, Tag: handled{l, batch}}
}

// moveAway moves samples out of memory if their command may have found it full. It reports whether it has.
func (r *run) moveAway(batch []*workspace.Task, failed bool) bool {
	if !slices.ContainsFunc(batch, func(t *workspace.Task) bool { return t.Lacked(failed) }) {
		return false
	}
	r.UI.WarnOnce("commands fill the scratch in memory; they are run again, on disk")
	for _, t := range batch {
		t.Leave()
	}
	return true
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
func environment(l *leg, t *workspace.Task, attempt int) []string {
	return []string{
		"SAMPLE_KEY=" + t.Key, "SAMPLE_INDEX=" + strconv.Itoa(t.Number), "SAMPLE_SOURCE=" + t.Source,
		shardVariable(l), attemptVariable(attempt),
	}
}

const shardPrefix = "SHARD="

func shardVariable(l *leg) string { return shardPrefix + l.space.Name }

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
