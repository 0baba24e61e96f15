package main

import "context"

// fsMemory reports the memory of the server of an indexed shard of a million members after all names were listed and
// some files read. One round is enough: it takes long and varies little.
func (b *bench) fsMemory(ctx context.Context) (*plan, error) {
	s := texts(500_000)
	if err := b.indexInCache(ctx, s); err != nil {
		return nil, err
	}
	some := s.files(s.samples/1_000, asSample, "txt")
	return &plan{once: true, trials: []*trial{
		b.mounted(s, "-r").weighed(quantity("server/peak", "B"),
			step{timed("find", work{float64(s.samples), "samples"}), listing("find")},
			step{timed("read", some.megabytes()), some.reading(1)}),
	}}, nil
}

// indexInCache draws a shard and caches its index.
func (b *bench) indexInCache(ctx context.Context, s drawn) error {
	name, err := b.draw(ctx, s)
	if err != nil {
		return err
	}
	_, _, err = execute(ctx, "", b.shardfs, "index", name)
	return err
}
