package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/web"
)

// remoteWalk compares reading all samples of a remote shard in order, by one reader, with what the line carries, and
// with other clients.
func (b *bench) remoteWalk(ctx context.Context) (*plan, error) {
	return b.remoteReads(ctx, b.slowNetwork)
}

// remoteLoopback is remoteWalk without delay and limits, where only the work of programs takes time.
func (b *bench) remoteLoopback(ctx context.Context) (*plan, error) {
	return b.remoteReads(ctx, b.fastNetwork)
}

// remoteReads reads a shard over a network: all samples in order through a mount, and the bytes by clients without one.
func (b *bench) remoteReads(
	ctx context.Context, connect func(ctx context.Context, p *plan) (*network, error),
) (*plan, error) {
	s := photos(10_000)
	if _, err := b.draw(ctx, s); err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := connect(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	p.trials = []*trial{
		n.bare(timed("by=line", w), s, 16),
		n.bare(timed("by=single", w), s, 1),
		n.engine(timed("by=engine", w), s),
		n.counting(b.walkNew(n, s, s.name, timed("shard=new/by=shardfs", w)), s.size(),
			quantity("shard=new/requests", "requests/GB"), quantity("shard=new/bytes", "bytes/byte")),
		n.counting(b.walkIndexed(n, s, timed("shard=indexed/by=shardfs", w)), s.size(),
			quantity("shard=indexed/requests", "requests/GB"), quantity("shard=indexed/bytes", "bytes/byte")),
		b.mounted(s, "-r").visit(step{timed("shard=local/by=shardfs", w), walking(s.bodies())}),
	}
	p.trials = append(p.trials, b.otherClients(n, s, w)...)
	return p, nil
}

// engine returns a trial that reads a shard's bytes in order from its store, 128 KiB at a time, without a mount.
func (n *network) engine(f *figure, s drawn) *trial {
	size := s.size()
	command := n.shown("# internal/store/remote: read 128 KiB at a time of " + n.url(s.name))
	return measured(f, command, func(ctx context.Context) (float64, error) {
		e := remote.NewEngine(remote.Options{})
		defer e.Close()
		start := time.Now()
		o, err := remote.New(e, web.Service{}).Open(ctx, n.url(s.name))
		if err != nil {
			return 0, err
		}
		defer o.Close()
		buf := make([]byte, 128<<10)
		for off := int64(0); off < size; off += int64(len(buf)) {
			if _, err := o.ReadAt(ctx, buf, off); err != nil && err != io.EOF {
				return 0, err
			}
		}
		return time.Since(start).Seconds(), nil
	})
}

// walkNew returns a trial that reads all samples of a remote shard of which nothing is known, as the scan finds them.
// File is its name in the bench's directory.
func (b *bench) walkNew(n *network, s drawn, file string, f *figure) *trial {
	place := b.mountedFrom(n.url(file), s, "-r")
	place.made = n.shown(place.made)
	t := place.visit(step{f, walkingAsListed(s.bodies())})
	t.prepare = b.forget
	return t
}

// walkIndexed returns the same where the index is cached.
func (b *bench) walkIndexed(n *network, s drawn, f *figure) *trial {
	place := b.mountedFrom(n.url(s.name), s, "-r")
	place.made = n.shown(place.made)
	t := place.visit(step{f, walking(s.bodies())})
	t.prepare = func() error { return b.indexURL(n.url(s.name)) }
	return t
}

// indexURL caches the index of a remote shard.
func (b *bench) indexURL(url string) error {
	_, _, err := execute(context.Background(), "", b.shardfs, "index", url)
	return err
}

// walkingAsListed is walking in the order of the listing, without waiting for its end.
func walkingAsListed(want int64) task {
	return reading("# read the files sample.* of each directory as soon as it is listed, below", readListed, want)
}

// readListed reads the files of the samples below root while it lists them, and returns how many bytes they have.
func readListed(ctx context.Context, root string) (total int64, err error) {
	dir, err := os.Open(root)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	buf := make([]byte, bufferSize)
	for {
		samples, err := dir.ReadDir(1) // it would wait for so many
		for _, sample := range samples {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			n, err := readSample(filepath.Join(root, sample.Name()), buf)
			if err != nil {
				return 0, err
			}
			total += n
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// remoteSample reports the traffic of reading random samples of an indexed shard, each far from the ones before.
func (b *bench) remoteSample(ctx context.Context) (*plan, error) {
	s := photos(10_000)
	if _, err := b.draw(ctx, s); err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	const samples = 20
	mounting := n.shown(quote(b.mounting(n.url(s.name), "-r")))
	t := &trial{
		command: fmt.Sprintf("%s\n# read all files of a sample at random, %d times", mounting, samples), program: true,
		figures: []*figure{timed("time", work{}), quantity("requests", "requests"), quantity("beyond", "B")},
		prepare: func() error { return b.indexURL(n.url(s.name)) },
		run: func(ctx context.Context) (values []float64, err error) {
			m, err := b.mount(ctx, n.url(s.name), "-r")
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, m.close()) }()
			var took, requests []float64
			var beyond float64
			for range samples {
				if _, err := n.settled(ctx); err != nil {
					return nil, err
				}
				start := time.Now()
				size, err := readSample(filepath.Join(m.dir, fmt.Sprintf("%06d", rand.IntN(s.samples))),
					make([]byte, bufferSize))
				took = append(took, time.Since(start).Seconds())
				if err != nil {
					return nil, err
				}
				got, err := n.settled(ctx)
				if err != nil {
					return nil, err
				}
				requests = append(requests, float64(got.requests))
				beyond = max(beyond, float64(got.bytes)-1.2*float64(size))
			}
			return []float64{median(took), quantile(requests, 1), beyond}, nil
		},
	}
	p.trials = []*trial{t}
	return p, nil
}
