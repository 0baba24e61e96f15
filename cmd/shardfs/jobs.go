package main

import (
	"context"
	"errors"
	"iter"
	"os"
	"strconv"

	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/pack"
)

// chosen yields the samples that are taken, without those that an earlier run has dealt with.
func (r *course) chosen() iter.Seq2[*task, error] {
	key := func(t *task) (string, bool) { return t.key, true }
	skip := func(t *task) error {
		r.skipped++
		return t.free()
	}
	return func(yield func(*task, error) bool) {
		taken := 0
		for t, err := range pack.Choose(r.choice.of(r.keys), r.space.tasks(), key, skip) {
			if taken++; err == nil && taken <= r.from.Samples {
				continue
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// jobsFor hands the chosen samples to the runner, --batch of them at a time. Why there are no more of them, other than that
// all were given, is in err afterwards.
func (r *course) jobsFor(ctx context.Context, err *error) iter.Seq[runner.Job] {
	return func(yield func(runner.Job) bool) {
		var group []*task
		for t, taskErr := range r.chosen() {
			if taskErr != nil {
				*err = taskErr
				return
			}
			if group = append(group, t); len(group) < r.batch {
				continue
			}
			if !yield(r.job(group)) || ctx.Err() != nil {
				return
			}
			group = nil
		}
		if len(group) > 0 {
			yield(r.job(group))
		}
	}
}

// job returns the job of one sample, or of a batch.
func (r *course) job(group []*task) runner.Job {
	prepare := func(ctx context.Context, attempt int) (runner.Place, error) {
		dir, err := group[0].prepare(ctx, attempt)
		return runner.Place{Dir: dir, Env: group[0].environment(attempt)}, err
	}
	if r.batch > 0 {
		prepare = func(ctx context.Context, attempt int) (place runner.Place, err error) {
			place.Env = []string{attemptVariable(attempt)}
			for _, t := range group {
				dir, err := t.prepare(ctx, attempt)
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
		for _, t := range group {
			err = errors.Join(err, t.discard())
		}
		return err
	}
	return runner.Job{Prepare: prepare, Discard: discard, Tag: group}
}

// environment returns what the command is told of its sample.
func (t *task) environment(attempt int) []string {
	return []string{
		"SAMPLE_KEY=" + t.key, "SAMPLE_INDEX=" + strconv.Itoa(t.number), "SAMPLE_SOURCE=" + t.source, attemptVariable(attempt),
	}
}

func attemptVariable(attempt int) string { return "SAMPLE_ATTEMPT=" + strconv.Itoa(attempt) }
