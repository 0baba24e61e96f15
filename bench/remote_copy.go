package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// remoteCopy reports how many bytes come to this machine and leave it when plain shards of a bucket are joined into one,
// as a part of the bytes of the shards.
func (b *bench) remoteCopy(ctx context.Context) (*plan, error) {
	const shards = 10
	all := photos(10_000)
	name, err := b.draw(ctx, all)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	s, err := b.serveObjects(ctx, p, countedStore)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	err = b.splitInto(ctx, s, name, all.samples/shards, s.uri("photos-%04d.tar"), "--write-index")
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	w := work{float64(all.size()) / 1e6, "MB"}
	out := s.path("joined.tar")
	t := s.command(timed("time", w), b.shardfs, "pack", s.uri(fmt.Sprintf("photos-{0000..%04d}.tar", shards-1)),
		"-o", s.uri(filepath.Base(out)))
	t.program = true
	run := t.run
	t.figures = append(t.figures, quantity("moved", "%"))
	t.run = func(ctx context.Context) ([]float64, error) {
		before := s.relay.Counts()
		values, err := run(ctx)
		now := s.relay.Counts()
		moved := now.Up - before.Up + now.Down - before.Down
		return append(values, 100*float64(moved)/float64(all.size())), err
	}
	withOutput(t, out, func() error { // pack pads its end to 10 KiB, unlike the file that was split
		_, _, err := execute(ctx, "", "cmp", "-n", fmt.Sprint(all.size()), out, name)
		return err
	})
	forget := t.prepare
	t.prepare = func() error { return errors.Join(forget(), b.forget()) }
	p.trials = []*trial{t}
	return p, nil
}
