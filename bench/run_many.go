package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Shards of RunMany, and samples in each: so few that what a run does once, and at its end, counts.
const (
	manyShards  = 40
	manySamples = 25
)

// runMany compares a run over many small shards, each packed into its own output, with a loop over them in the shell.
func (b *bench) runMany(ctx context.Context) (*plan, error) {
	name, err := b.draw(ctx, thumbs(manyShards*manySamples))
	if err != nil {
		return nil, err
	}
	in, out := b.path("many"), b.path("many-out")
	p := new(plan)
	p.later(func() error { return errors.Join(os.RemoveAll(in), os.RemoveAll(out)) })
	if err := errors.Join(os.RemoveAll(in), os.MkdirAll(in, 0o755)); err != nil {
		return nil, err
	}
	parts := filepath.Join(in, "many-%04d.tar")
	_, _, err = execute(ctx, "", b.shardfs, "pack", name, "--split-count", fmt.Sprint(manySamples), "-o", parts)
	if err != nil {
		return nil, err
	}
	w := work{manyShards * manySamples, "samples"}
	shards := filepath.Join(in, fmt.Sprintf("many-{0000..%04d}.tar", manyShards-1))
	const loop = `for shard in "$2"/*.tar; do "$1" run -j 2 -c true "$shard" -o "$3/${shard##*/}"; done`
	p.trials = []*trial{
		b.command(timed("by=run", w), "run", "-j", "2", "-c", "true", shards, "-o", filepath.Join(out, "{name}.tar")),
		command(timed("by=loop", w), "sh", "-euc", loop, "sh", b.shardfs, in, out),
	}
	p.trials[1].program = true
	for _, t := range p.trials {
		t.prepare = func() error { return errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755)) }
		run := t.run
		t.run = func(ctx context.Context) ([]float64, error) {
			values, err := run(ctx)
			if err != nil {
				return nil, err
			}
			return values, sameShards(out, in)
		}
	}
	return p, nil
}

// sameShards checks that two directories have the same shards, as sameNames compares them.
func sameShards(got, want string) error {
	shards, err := filepath.Glob(filepath.Join(want, "*.tar"))
	if err != nil || len(shards) != manyShards {
		return errors.Join(err, fmt.Errorf("%s has %d shards", want, len(shards)))
	}
	for _, name := range shards {
		if err := sameNames(filepath.Join(got, filepath.Base(name)), name); err != nil {
			return err
		}
	}
	return nil
}
