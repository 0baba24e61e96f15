package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// viewMillion reports how long it takes until the page of a shard of a million samples shows its first pictures, from
// the start of the program, in a browser that runs already; and then how long a filter takes.
func (b *bench) viewMillion(ctx context.Context) (*plan, error) {
	s := albums(1_000_000)
	shard, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := b.indexInCache(ctx, s); err != nil {
		return nil, err
	}
	screen, err := b.firstScreen(ctx, shard)
	if err != nil {
		return nil, err
	}
	screen.figures = []*figure{timed("first-screen", work{}), quantity("server/peak", "B")}

	filter := b.viewing(shard, "# ask for the samples whose keys contain 99, until all are found",
		func(ctx context.Context, v *viewer) error { return v.filter(ctx, "99") })
	filter.figures = []*figure{timed("filter", work{float64(s.samples), "samples"})}
	return &plan{trials: []*trial{screen, filter}}, nil
}

// viewThumbnails compares the thumbnails of pictures that were not looked at before with a loop that decodes and scales
// such pictures, and neither reads them from a shard nor encodes and sends what it makes.
func (b *bench) viewThumbnails(ctx context.Context) (*plan, error) {
	s := jpegs(100)
	shard, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	w := work{float64(s.samples), "pictures"}
	served := b.viewing(shard, "# ask for 100 thumbnails, 6 at a time",
		func(ctx context.Context, v *viewer) error { return v.thumbnails(ctx, s.samples, 6) })
	served.figures = []*figure{timed("by=shardfs", w)}
	loop := measured(timed("by=go-loop", w), "# image/jpeg and draw.ApproxBiLinear, on all cores",
		func(ctx context.Context) (float64, error) { return shrinkAll(s) })
	return &plan{trials: []*trial{served, loop}}, nil
}

// remoteView reports how long the page takes for a remote shard with an index beside it, of which nothing else is known,
// and how many requests.
func (b *bench) remoteView(ctx context.Context) (*plan, error) {
	s := jpegs(1_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, _, err := execute(ctx, "", b.shardfs, "index", "--sidecar", name); err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	screen, err := b.firstScreen(ctx, n.url(s.name))
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	screen.command = n.shown(screen.command)
	screen.prepare = b.forget
	screen.figures = []*figure{timed("first-screen", work{}), quantity("requests", "requests"),
		quantity("server/peak", "B")}
	p.trials = []*trial{n.watching(screen, func(values []float64, got traffic) []float64 {
		return []float64{values[0], float64(got.requests), values[1]}
	})}
	return p, nil
}

// leastPictures is how many pictures the first screen has at least, lest something else be measured.
const leastPictures = 40

// firstScreen returns a trial that opens a shard in the browser. Its values are the seconds until the pictures are there,
// and the most bytes that the viewer had in memory.
func (b *bench) firstScreen(ctx context.Context, shard string) (*trial, error) {
	binary, err := b.build(ctx, "internal/testing/web/firstscreen")
	if err != nil {
		return nil, err
	}
	argv := []string{binary, b.shardfs, "view", shard}
	return &trial{command: quote(argv), program: true, run: func(ctx context.Context) ([]float64, error) {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quote(argv), err)
		}
		var took, pictures, resident float64
		if _, err := fmt.Sscan(string(out), &took, &pictures, &resident); err != nil {
			return nil, fmt.Errorf("%s printed %q: %w", quote(argv), strings.TrimSpace(string(out)), err)
		}
		if pictures < leastPictures {
			return nil, fmt.Errorf("the first screen has %.0f pictures, not %d", pictures, leastPictures)
		}
		return []float64{took, resident}, nil
	}}, nil
}
