package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	opened "github.com/shardfs/shardfs/internal/shard"
)

// pictures is the shard behind the measures of gzip, 250 MB.
func pictures() shard { return jpegs(3_000) }

// gzipPass compares the first pass over a .tgz, which finds its members and where decoding can start, with decoding it.
func (b *bench) gzipPass(ctx context.Context) ([]row, error) {
	s := pictures()
	name, err := b.compressed(ctx, s)
	if err != nil {
		return nil, err
	}
	ours := command(b.shardfs, "index", "--index", "none", name)
	decoder := &side{
		command: "# gzip.Reader of klauspost/compress, 256 KiB at a time, of " + name,
		run:     func(context.Context) (float64, error) { return timeDecode(name, s.size()) },
	}
	peer := unread("gzip", "-dc", name)
	if err := b.interleave(ctx, "gzip-pass", ours, decoder, peer); err != nil {
		return nil, err
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	return []row{
		versus("index a .tgz of pictures, 250 MB; peer: klauspost/compress decodes it", w, ours, decoder, 0.95),
		versus("the same; peer: gzip -dc >/dev/null", w, ours, peer, 1.2),
	}, nil
}

// timeDecode decodes a file with a plain decoder, as one who reads the tar in it does.
func timeDecode(name string, want int64) (float64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	start := time.Now()
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0, err
	}
	// The decoder's WriteTo would spare a copy that such a reader needs.
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{z}, make([]byte, 256<<10))
	seconds := time.Since(start).Seconds()
	if err == nil && n != want {
		err = fmt.Errorf("%s: decoded to %d bytes, want %d", name, n, want)
	}
	return seconds, err
}

// gzipRandom says how long it takes to read at a random place of a .tgz whose index is known, and how long that index is.
// Nothing is read twice, so no cache of decoded bytes helps.
func (b *bench) gzipRandom(ctx context.Context) (rows []row, err error) {
	const reads, length = 400, 100 << 10
	s := pictures()
	sh, err := b.indexed(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sh.Close()) }()
	plain, err := os.Open(b.path(s.name))
	if err != nil {
		return nil, err
	}
	defer plain.Close()

	var middle, slow []float64 // seconds a read, by round
	ours := &side{run: func(context.Context) (float64, error) {
		took, err := timeReads(sh, plain, reads, length)
		middle, slow = append(middle, quantile(took, 0.5)), append(slow, quantile(took, 0.99))
		return median(took), err
	}}
	if err := b.interleave(ctx, "gzip-random", ours); err != nil {
		return nil, err
	}
	whole, err := written(sh.Saved)
	if err != nil {
		return nil, err
	}
	members := *sh.Saved
	members.Format, members.Map = codec.Plain, codec.Map{Plain: sh.Plain()}
	alone, err := written(&members)
	if err != nil {
		return nil, err
	}
	part := func(n int64) float64 { return float64(n) / float64(sh.Plain()) }
	did := fmt.Sprintf("# codec.ReaderAt, %d reads of 100 KiB at random offsets of %s", reads, sh.Name)
	return []row{
		atMost("read 100 KiB at a random place of an indexed .tgz of pictures, nothing decoded before: half of the reads",
			middle, 1.2e-3, milliseconds, did),
		atMost("the same: 99 of 100 reads", slow, 5e-3, milliseconds, did),
		atMost("where decoding can start, in the index file, of the plain bytes", []float64{part(whole - alone)}, 0.0015, percent,
			fmt.Sprintf("# the index file of %s, %d bytes, without that of its tar, %d bytes", sh.Name, whole, alone)),
	}, nil
}

// timeReads returns the seconds that each of some reads at random took, and compares what was read with the plain shard.
func timeReads(sh *opened.Shard, plain io.ReaderAt, reads, length int) (took []float64, err error) {
	z, done, err := decoded(sh, codec.ReaderAtOptions{CacheBytes: 1, Workers: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	got, want := make([]byte, length), make([]byte, length)
	rng := rand.New(rand.NewPCG(4, 4))
	for range reads {
		off := rng.Int64N(sh.Plain() - int64(length))
		start := time.Now()
		_, err := z.ReadAt(got, off)
		took = append(took, time.Since(start).Seconds())
		if err != nil {
			return nil, err
		}
		if _, err := plain.ReadAt(want, off); err != nil {
			return nil, err
		}
		if !bytes.Equal(got, want) {
			return nil, fmt.Errorf("%s: wrong bytes at %d", sh.Name, off)
		}
	}
	return took, nil
}

// gzipWorkers compares reading an indexed .tgz in order by two workers with doing so by one.
func (b *bench) gzipWorkers(ctx context.Context) (rows []row, err error) {
	s := pictures()
	sh, err := b.indexed(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sh.Close()) }()
	in := func(workers int) *side {
		return &side{
			command: fmt.Sprintf("# codec.ReaderAt with %d workers, 128 KiB at a time, of %s", workers, sh.Name),
			run:     func(context.Context) (float64, error) { return timeInOrder(sh, workers) },
		}
	}
	two, one := in(2), in(1)
	if err := b.interleave(ctx, "gzip-workers", two, one); err != nil {
		return nil, err
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	return []row{
		versus("read an indexed .tgz of pictures in order, 2 workers; peer: 1 worker", w, two, one, 1.8),
	}, nil
}

// timeInOrder reads all plain bytes of a shard. Whether they are right the reader knows by its sums.
func timeInOrder(sh *opened.Shard, workers int) (seconds float64, err error) {
	z, done, err := decoded(sh, codec.ReaderAtOptions{Workers: workers})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, done()) }()
	buf := make([]byte, 128<<10)
	start := time.Now()
	for off := int64(0); off < sh.Plain(); {
		n, err := z.ReadAt(buf, off)
		if off += int64(n); err != nil && !(err == io.EOF && off == sh.Plain()) {
			return 0, err
		}
	}
	return time.Since(start).Seconds(), nil
}

// decoded returns a reader of the plain bytes of a shard that knows nothing yet, and what closes it.
func decoded(sh *opened.Shard, o codec.ReaderAtOptions) (z *codec.ReaderAt, done func() error, err error) {
	f, err := os.Open(sh.Name)
	if err != nil {
		return nil, nil, err
	}
	z = codec.NewReaderAt(sh.Format, f, sh.Origin.Size, sh.Map, o)
	return z, func() error { return errors.Join(z.Close(), f.Close()) }, nil
}

// indexed opens the .tgz of a shard by the index in the cache.
func (b *bench) indexed(ctx context.Context, s shard) (*opened.Shard, error) {
	name, err := b.compressed(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, _, err := execute(ctx, "", b.shardfs, "index", name); err != nil {
		return nil, err
	}
	sh, err := opened.Open(ctx, name, opened.Options{CacheDir: b.path("cache/shardfs")})
	if err == nil && sh.Indexed {
		err = errors.Join(fmt.Errorf("%s: not opened by its index file", name), sh.Close())
	}
	return sh, err
}

// compressed makes what gzip -6 makes of a shard unless an earlier run left it, reads it into the page cache and returns its
// path.
func (b *bench) compressed(ctx context.Context, s shard) (string, error) {
	plain, err := b.draw(ctx, s)
	if err != nil {
		return "", err
	}
	name := plain + ".gz"
	from, err := os.Stat(plain)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(name); err != nil || info.ModTime().Before(from.ModTime()) {
		note("compressing %s", name)
		err := create(name, func(w io.Writer) error {
			cmd := exec.CommandContext(ctx, "gzip", "-6", "-c", plain)
			cmd.Stdout = w
			return cmd.Run()
		})
		if err != nil {
			return "", fmt.Errorf("gzip %s: %w", plain, err)
		}
	}
	return name, warm(name)
}

// written is the length of an index file.
func written(f *index.Saved) (int64, error) {
	var n counter
	err := f.Write(&n)
	return int64(n), err
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
