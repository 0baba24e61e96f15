package main

import "context"

// index compares building the index of a shard with listing it.
func (b *bench) index(ctx context.Context) (*plan, error) {
	name, err := b.draw(ctx, photos(10_000))
	if err != nil {
		return nil, err
	}
	w := work{30_000, "members"}
	return &plan{trials: []*trial{
		b.command(timed("members=30000/by=shardfs", w), "index", "--index", "none", name),
		command(timed("members=30000/by=tar", w), "tar", "-tf", name),
	}}, nil
}

// indexMillion does the same with a million members of about 100 bytes, and with a thousand. The difference in memory
// is that of the members.
func (b *bench) indexMillion(ctx context.Context) (*plan, error) {
	const many, few = 1_000_000, 1_000
	large, err := b.draw(ctx, texts(many/2))
	if err != nil {
		return nil, err
	}
	small, err := b.draw(ctx, texts(few/2))
	if err != nil {
		return nil, err
	}
	w := work{many, "members"}
	return &plan{trials: []*trial{
		b.indexing(large, timed("members=1000000/by=shardfs", w), quantity("members=1000000/peak", "B")),
		command(timed("members=1000000/by=tar", w), "tar", "-tf", large),
		unread(timed("members=1000000/by=tar-to-null", w), "tar", "-tf", large),
		b.indexing(small, timed("members=1000/by=shardfs", work{few, "members"}), quantity("members=1000/peak", "B")),
	}}, nil
}

// indexing returns a trial that builds a shard's index and records the peak of resident bytes.
func (b *bench) indexing(shard string, took, peak *figure) *trial {
	argv := []string{b.shardfs, "index", "--index", "none", shard}
	return &trial{
		command: quote(argv), program: true, figures: []*figure{took, peak},
		run: func(ctx context.Context) ([]float64, error) {
			seconds, resident, err := execute(ctx, "", argv...)
			return []float64{seconds, float64(resident)}, err
		},
	}
}
