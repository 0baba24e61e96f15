package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/shardfs/shardfs/internal/codec"
)

// gzipWrite compares the speed and size of pack's gzip, in which decoding can start at each MiB, with those of pgzip,
// in which it cannot.
func (b *bench) gzipWrite(ctx context.Context) (*plan, error) {
	const workers = 2
	peerBinary, err := b.build(ctx, "bench/pgzip")
	if err != nil {
		return nil, err
	}
	p := new(plan)
	for _, set := range []struct {
		what  string
		shard drawn
	}{{"pictures", pictures()}, {"texts", prose(20_000)}} {
		name, err := b.draw(ctx, set.shard)
		if err != nil {
			return nil, err
		}
		w := work{float64(set.shard.size()) / 1e6, "MB"}
		for _, level := range []int{1, 6} {
			if err := checkGzip(name, level, workers, set.shard.size()); err != nil {
				return nil, err
			}
			figures := func(by string) []*figure {
				base := fmt.Sprintf("of=%s/level=%d/by=%s", set.what, level, by)
				return []*figure{timed(base, w), quantity(base+"/length", "bytes")}
			}
			argv := []string{peerBinary, strconv.Itoa(level), strconv.Itoa(workers), name}
			p.trials = append(p.trials, &trial{
				command: fmt.Sprintf("# codec.GzipWriter at level %d with %d workers, of %s", level, workers, name),
				figures: figures("shardfs"),
				run: func(context.Context) ([]float64, error) {
					var n counter
					seconds, err := timeGzip(&n, name, level, workers)
					return []float64{seconds, float64(n)}, err
				},
			}, &trial{
				command: quote(argv),
				figures: figures("pgzip"),
				run: func(ctx context.Context) ([]float64, error) {
					seconds, n, err := runPgzip(ctx, argv)
					return []float64{seconds, n}, err
				},
			})
		}
	}
	return p, nil
}

// timeGzip compresses a file as pack would and returns the seconds taken.
func timeGzip(w io.Writer, name string, level, workers int) (float64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	start := time.Now()
	z, err := codec.Gzip.NewWriter(w, level, workers)
	if err != nil {
		return 0, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{z}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	err = errors.Join(err, z.Close())
	return time.Since(start).Seconds(), err
}

// runPgzip runs the peer and returns the numbers that it prints: the seconds taken, without its start, and the
// compressed size.
func runPgzip(ctx context.Context, argv []string) (seconds, n float64, err error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", quote(argv), err)
	}
	if _, err := fmt.Sscan(string(out), &seconds, &n); err != nil {
		return 0, 0, fmt.Errorf("%s printed %q: %w", quote(argv), out, err)
	}
	return seconds, n, nil
}

// checkGzip decodes the compressed form of a file of size bytes with another decoder, which verifies the checksum.
func checkGzip(name string, level, workers int, size int64) error {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		_, err := timeGzip(w, name, level, workers)
		w.CloseWithError(err)
		written <- err
	}()
	z, err := gzip.NewReader(r)
	var n int64
	if err == nil {
		n, err = io.Copy(io.Discard, z)
	}
	r.Close()
	if err == nil && n != size {
		err = fmt.Errorf("%s: compressed and decoded again it has %d bytes, want %d", name, n, size)
	}
	return errors.Join(err, <-written)
}
