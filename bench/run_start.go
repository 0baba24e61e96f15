package main

import "context"

// runStart compares how fast commands that do nothing are started in samples with starting them in directories.
func (b *bench) runStart(ctx context.Context) ([]row, error) {
	s := thumbs(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	root, err := b.extract(ctx, s)
	if err != nil {
		return nil, err
	}
	ours := command(b.shardfs, "run", "-j", "2", name, "--", "true")
	copied := command(b.shardfs, "run", "-j", "2", "--workspace", "dir", name, "--", "true")
	loop := looping(s, root, 2, "true")
	if err := b.interleave(ctx, "run-start", ours, loop, copied); err != nil {
		return nil, err
	}
	w := work{float64(s.samples), "samples"}
	return []row{
		versus("start `true` in 10 000 samples; peer: a loop in Go over existing directories", w, ours, loop, 0.7),
		versus("the same, samples copied to directories", w, copied, loop, 0),
	}, nil
}
