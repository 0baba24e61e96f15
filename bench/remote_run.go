package main

import (
	"context"
	"errors"
	"os"
)

// remoteRun compares a command that does nothing, over every sample of a remote shard and packed again, with the slower
// one of the same over the local shard and the line.
func (b *bench) remoteRun(ctx context.Context) (*plan, error) {
	s := photos(10_000)
	local, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	out := b.path("out.tar")
	p.later(func() error { return os.RemoveAll(out) })
	w := work{float64(s.samples), "samples"}
	args := []string{"run", "-j", "2", "-c", "true", "-o", out}
	run := func(label, shard string) *trial {
		t := b.command(timed(label, w), append(args, shard)...)
		withOutput(t, out, func() error { return sameNames(out, local) })
		remove := t.prepare
		t.prepare = func() error { return errors.Join(remove(), b.forget()) }
		t.command = n.shown(t.command)
		return t
	}
	p.trials = append(n.bounded("", w, run("by=local", local), n.bare(timed("by=line", w), s, 16)),
		run("by=shardfs", n.url(s.name)))
	return p, nil
}

// bounded returns trials with one more figure, name by=bound: the time of the slower one.
func (n *network) bounded(name string, w work, a, b *trial) []*trial {
	bound := timed(name+"by=bound", w)
	run := b.run
	b.figures = append(b.figures, bound)
	b.run = func(ctx context.Context) ([]float64, error) {
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		before := a.figures[0].values
		return append(values, max(values[0], before[len(before)-1])), nil
	}
	return []*trial{a, b}
}
