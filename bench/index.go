package main

import (
	"context"
	"fmt"
)

// index compares building the index of a shard with listing it.
func (b *bench) index(ctx context.Context) ([]row, error) {
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	ours := command(b.shardfs, "index", "--index", "none", name)
	peer := command("tar", "-tf", name)
	if err := b.interleave(ctx, "index", ours, peer); err != nil {
		return nil, err
	}
	return []row{
		versus("index 1 GB, 30 000 members", work{30_000, "members"}, ours, peer, 1.0),
	}, nil
}

// indexMillion does the same with a million members of about 100 bytes, and says what the index costs in memory: the
// difference to a shard of a thousand is the members' alone.
func (b *bench) indexMillion(ctx context.Context) ([]row, error) {
	const many, few, asked = 1_000_000, 1_000, 100
	large, err := b.draw(ctx, texts(many/2))
	if err != nil {
		return nil, err
	}
	small, err := b.draw(ctx, texts(few/2))
	if err != nil {
		return nil, err
	}
	var peaks, floors []float64 // resident bytes, by round
	ours, floor := b.indexing(large, &peaks), b.indexing(small, &floors)
	peer, silent := command("tar", "-tf", large), unread("tar", "-tf", large)
	if err := b.interleave(ctx, "index-million", ours, peer, silent, floor); err != nil {
		return nil, err
	}
	each := make([]float64, b.rounds)
	for i := range each {
		each[i] = (peaks[i] - floors[i]) / (many - few)
	}
	return []row{
		versus("index 1 000 000 tiny members (500 000 samples of 2)", work{many, "members"}, ours, peer, 2.0),
		versus("the same; peer: what it lists goes to /dev/null", work{many, "members"}, ours, silent, 0),
		{
			measure:  "memory of the index, by member",
			ours:     fmt.Sprintf("%.0f bytes (peak %.0f MiB, of a thousand members %.0f MiB)", median(each), median(peaks)/(1<<20), median(floors)/(1<<20)),
			asked:    fmt.Sprintf("<= %d bytes", asked),
			ok:       median(each) <= asked,
			commands: []string{ours.command, floor.command},
		},
	}, nil
}

// indexing is a side that builds a shard's index and notes the peak of its resident bytes.
func (b *bench) indexing(shard string, peaks *[]float64) *side {
	argv := []string{b.shardfs, "index", "--index", "none", shard}
	return &side{
		command: quote(argv),
		run: func(ctx context.Context) (float64, error) {
			seconds, peak, err := execute(ctx, "", argv...)
			*peaks = append(*peaks, float64(peak))
			return seconds, err
		},
	}
}
