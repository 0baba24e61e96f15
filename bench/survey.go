package main

import (
	"context"
	"io"
	"os"
)

// stats compares counting what a shard of pictures has, and how large the pictures are, with reading the shard.
func (b *bench) stats(ctx context.Context) (*plan, error) {
	s := jpegs(12_000)
	shard, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	return &plan{trials: []*trial{
		b.command(timed("of=pictures/by=shardfs", w), "stats", "--index", "none", "--pictures", shard),
		unread(timed("of=pictures/by=cat", w), "cat", shard),
	}}, nil
}

// diff compares comparing a shard with a copy of itself with doing so byte by byte.
func (b *bench) diff(ctx context.Context) (*plan, error) {
	s := photos(10_000)
	shard, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	other := b.path("copy.tar")
	if err := copyFile(other, shard); err != nil {
		return nil, err
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	p := &plan{trials: []*trial{
		b.command(timed("by=shardfs", w), "diff", shard, other),
		command(timed("by=cmp", w), "cmp", shard, other),
	}}
	p.later(func() error { return os.Remove(other) })
	return p, nil
}

// copyFile copies a file.
func copyFile(to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return create(to, func(w io.Writer) error {
		_, err := io.Copy(w, struct{ io.Reader }{f})
		return err
	})
}
