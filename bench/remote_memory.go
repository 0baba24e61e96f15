package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// remoteMemory reports the memory of the server of a mount of many shards that are read at the same time.
func (b *bench) remoteMemory(ctx context.Context) (*plan, error) {
	const shards = 64
	s := photos(shards * 160)
	if _, err := b.parts(ctx, s, shards); err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	url := n.url(fmt.Sprintf("photos-in-%d/photos-{0000..%04d}.tar", shards, shards-1))
	t := &trial{
		command: n.shown(quote(b.mounting(url, "-r"))) + "\n# read all samples of all shards, a reader each",
		program: true,
		figures: []*figure{timed("time", w), quantity("server/peak", "B")},
		prepare: b.forget,
		run: func(ctx context.Context) (values []float64, err error) {
			m, err := b.mount(ctx, url, "-r")
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, m.close()) }()
			took, err := readShards(ctx, m.dir, shards, s.bodies())
			if err != nil {
				return nil, err
			}
			weight, err := m.memory()
			return []float64{took, weight.peak}, err
		},
	}
	p.trials = []*trial{n.counting(t, s.size(), quantity("requests", "requests/GB"), quantity("bytes", "bytes/byte"))}
	return p, nil
}

// readShards reads all samples of the shards in a directory, a goroutine each.
func readShards(ctx context.Context, root string, shards int, want int64) (seconds float64, err error) {
	dirs, err := os.ReadDir(root)
	if err != nil {
		return 0, err
	}
	if len(dirs) != shards {
		return 0, fmt.Errorf("%s has %d directories, want %d", root, len(dirs), shards)
	}
	sizes, errs := make([]int64, shards), make([]error, shards)
	var all sync.WaitGroup
	start := time.Now()
	for i, dir := range dirs {
		all.Go(func() { sizes[i], errs[i] = readListed(ctx, filepath.Join(root, dir.Name())) })
	}
	all.Wait()
	seconds = time.Since(start).Seconds()
	var total int64
	for _, n := range sizes {
		total += n
	}
	if total != want {
		errs = append(errs, fmt.Errorf("%s has %d bytes, want %d", root, total, want))
	}
	return seconds, errors.Join(errs...)
}
