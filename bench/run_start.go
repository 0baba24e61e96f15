package main

import "context"

// runStart compares how fast commands that do nothing are started in samples with starting them in directories.
func (b *bench) runStart(ctx context.Context) (*plan, error) {
	s := thumbs(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	root, err := b.extract(ctx, s)
	if err != nil {
		return nil, err
	}
	w := work{float64(s.samples), "samples"}
	return &plan{trials: []*trial{
		b.command(timed("in=mount", w), "run", "-j", "2", name, "--", "true"),
		looping(timed("in=directory/by=go-loop", w), s, root, 2, "true"),
		b.command(timed("in=copies", w), "run", "-j", "2", "--workspace", "dir", name, "--", "true"),
	}}, nil
}

// runProgress compares a run that shows its progress with one that does not.
func (b *bench) runProgress(ctx context.Context) (*plan, error) {
	s := thumbs(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	for _, when := range []string{"always", "never"} {
		label := timed("progress="+when, work{float64(s.samples), "samples"})
		p.trials = append(p.trials, b.command(label, "run", "-j", "2", "--progress", when, name, "--", "true"))
	}
	return p, nil
}
