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

// gzipWrite compares how fast and how small our gzip, in which decoding can start at each MiB, is written with pgzip, in
// which it cannot.
func (b *bench) gzipWrite(ctx context.Context) ([]row, error) {
	const workers, larger = 2, 0.007
	peerBinary, err := b.build(ctx, "bench/pgzip")
	if err != nil {
		return nil, err
	}
	defer os.Remove(peerBinary)
	var rows []row
	for _, set := range []struct {
		what  string
		shard shard
	}{{"pictures, 250 MB", pictures()}, {"texts, 130 MB", prose(20_000)}} {
		name, err := b.draw(ctx, set.shard)
		if err != nil {
			return nil, err
		}
		for _, level := range []int{1, 6} {
			if err := checkGzip(name, level, workers, set.shard.size()); err != nil {
				return nil, err
			}
			var ourBytes, peerBytes []float64
			ours := &side{
				command: fmt.Sprintf("# codec.GzipWriter at level %d with %d workers, of %s", level, workers, name),
				run: func(context.Context) (float64, error) {
					var n counter
					seconds, err := timeGzip(&n, name, level, workers)
					ourBytes = append(ourBytes, float64(n))
					return seconds, err
				},
			}
			argv := []string{peerBinary, strconv.Itoa(level), strconv.Itoa(workers), name}
			peer := &side{
				command: quote(argv),
				run: func(ctx context.Context) (float64, error) {
					seconds, n, err := runPgzip(ctx, argv)
					peerBytes = append(peerBytes, n)
					return seconds, err
				},
			}
			if err := b.interleave(ctx, fmt.Sprintf("gzip-write: level %d of %s", level, set.what), ours, peer); err != nil {
				return nil, err
			}
			more := median(ourBytes)/median(peerBytes) - 1
			rows = append(rows,
				versus(fmt.Sprintf("write .tgz, level %d, 2 workers, of %s; peer: pgzip", level, set.what),
					work{float64(set.shard.size()) / 1e6, "MB"}, ours, peer, 1.0),
				row{
					measure:  "its length",
					ours:     fmt.Sprintf("%s bytes, %s more", group(median(ourBytes)), percent(more)),
					peer:     group(median(peerBytes)) + " bytes",
					ratio:    1 / (1 + more),
					asked:    fmt.Sprintf("<= %s more", percent(larger)),
					ok:       more <= larger,
					commands: []string{ours.command, peer.command},
				})
		}
	}
	return rows, nil
}

// timeGzip compresses a file as pack would, and says how long that took.
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

// runPgzip runs the peer and returns what it prints: how long it took, without its start, and the bytes it made.
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

// checkGzip lets another decoder read what is written of a file of size bytes; it compares the checksum.
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
