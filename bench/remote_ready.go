package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// remoteFirst reports how long mounting a remote shard of which nothing is known and reading its first sample take, in
// round trips more than the same of a local shard, and how many bytes have been sent then.
func (b *bench) remoteFirst(ctx context.Context) (*plan, error) {
	s := photos(10_000)
	first := task{"# read all files of 000000 below", func(_ context.Context, root string) (float64, error) {
		_, err := readSample(filepath.Join(root, "000000"), make([]byte, bufferSize))
		return 0, err
	}}
	return b.remoteReady(ctx, s, first)
}

// remoteListing reports the same of mounting a remote shard with an index file beside it and listing all its files.
func (b *bench) remoteListing(ctx context.Context) (*plan, error) {
	s := photos(1_000)
	s.name = "photos-1000.tar"
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, _, err := execute(ctx, "", b.shardfs, "index", "--sidecar", name); err != nil {
		return nil, err
	}
	return b.remoteReady(ctx, s, listing("find"))
}

// remoteReady compares mounting a remote shard until a first task is done with the same of the local shard.
func (b *bench) remoteReady(ctx context.Context, s drawn, do task) (*plan, error) {
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	local := b.untilDone(name, do, nil)
	local.figures = []*figure{timed("by=local", work{})}
	remote := b.untilDone(n.url(s.name), do, n)
	remote.command = n.shown(remote.command)
	remote.figures = []*figure{timed("by=shardfs", work{}), quantity("round-trips", "round-trips"),
		quantity("bytes", "B"), quantity("requests", "requests")}
	run := remote.run
	remote.run = func(ctx context.Context) ([]float64, error) {
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		before := local.figures[0].values
		trips := (values[0] - before[len(before)-1]) / roundTrip.Seconds()
		return []float64{values[0], trips, values[1], values[2]}, nil
	}
	p.trials = []*trial{local, remote}
	return p, nil
}

// untilDone returns a trial that mounts a shard of which nothing is cached and does a task. Its values are the time of
// both and, with a network, the bytes that have come then, and the requests until the shard is unmounted.
func (b *bench) untilDone(name string, do task, n *network) *trial {
	m := &mount{dir: b.path("mnt"), shardfs: b.shardfs}
	argv := []string{b.shardfs, "mount", "-r", name, m.dir}
	return &trial{
		command: quote(argv) + "\n" + do.what + " " + m.dir, program: true,
		prepare: func() error {
			m.detach() // left by a bench that was killed
			return errors.Join(b.forget(), os.MkdirAll(m.dir, 0o755))
		},
		run: func(ctx context.Context) (values []float64, err error) {
			var came int64
			if n != nil {
				if _, err := n.settled(ctx); err != nil {
					return nil, err
				}
				came = n.relay.Counts().Down
			}
			start := time.Now()
			if _, _, err = execute(ctx, "", argv...); err == nil {
				_, err = do.run(ctx, m.dir)
			}
			values = append(values, time.Since(start).Seconds())
			if n != nil {
				came = n.relay.Counts().Down - came
			}
			if out, failed := exec.Command(b.shardfs, "umount", m.dir).CombinedOutput(); failed != nil {
				err = errors.Join(err, fmt.Errorf("umount %s: %w\n%s", m.dir, failed, out))
				m.detach()
			}
			if err != nil || n == nil {
				return values, err
			}
			got, err := n.settled(ctx)
			return append(values, float64(came), float64(got.requests)), err
		},
	}
}
