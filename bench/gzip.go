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

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/shard"
)

// pictures returns the shard for the measures of gzip, 250 MB.
func pictures() drawn { return jpegs(3_000) }

// gzipPass compares the first pass over a .tgz, which finds its members and the places where decoding can start, with
// decoding it.
func (b *bench) gzipPass(ctx context.Context) (*plan, error) {
	s := pictures()
	name, err := b.compressed(ctx, s)
	if err != nil {
		return nil, err
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	klauspost := decoders[1]
	return &plan{trials: []*trial{
		metered(b.command(timed("by=shardfs", w), "index", "--index", "none", name), timed("by=shardfs/cpu", w)),
		measured(timed("by=klauspost/cpu", w), "# "+klauspost.what+", 256 KiB at a time, of "+name,
			func(context.Context) (float64, error) { return klauspost.time(name, s.size()) }),
		metered(unread(timed("by=gzip", w), "gzip", "-dc", name), timed("by=gzip/cpu", w)),
	}}, nil
}

// gzipRandom reports the time of reads at random offsets of an indexed .tgz, and the size of the index. Nothing is read
// twice, so a cache of decoded bytes does not help.
func (b *bench) gzipRandom(ctx context.Context) (*plan, error) {
	const reads, length = 400, 100 << 10
	s := pictures()
	sh, err := b.indexed(ctx, s)
	if err != nil {
		return nil, err
	}
	plain, err := os.Open(b.shared(s.name))
	if err != nil {
		return nil, errors.Join(err, sh.Close())
	}
	p := new(plan)
	p.later(func() error { return errors.Join(sh.Close(), plain.Close()) })
	share, err := checkpointShare(sh)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	p.trials = []*trial{{
		command: fmt.Sprintf("# codec.ReaderAt, %d reads of 100 KiB at random offsets of %s", reads, sh.Name),
		figures: []*figure{timed("read=100KiB/p=50", work{}), timed("read=100KiB/p=99", work{}),
			quantity("checkpoints", "%")},
		run: func(context.Context) ([]float64, error) {
			took, err := timeReads(sh, plain, reads, length)
			if err != nil {
				return nil, err
			}
			return []float64{quantile(took, 0.5), quantile(took, 0.99), 100 * share}, nil
		},
	}}
	return p, nil
}

// checkpointShare returns the size of the checkpoints in a shard's index file, relative to its plain bytes.
func checkpointShare(sh *shard.Shard) (float64, error) {
	file, err := sh.Built()
	if err != nil {
		return 0, err
	}
	whole, err := written(file)
	if err != nil {
		return 0, err
	}
	members := *file
	members.Format, members.Map = codec.Plain, codec.Map{Plain: sh.Plain()}
	alone, err := written(&members)
	return float64(whole-alone) / float64(sh.Plain()), err
}

// timeReads returns the seconds that each of some random reads took, and compares the bytes with the plain shard.
func timeReads(sh *shard.Shard, plain io.ReaderAt, reads, length int) (took []float64, err error) {
	z, done, err := decoded(sh, codec.ReaderAtOptions{Cache: codec.NewCache(1), Workers: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	got, want := make([]byte, length), make([]byte, length)
	rng := rand.New(rand.NewPCG(4, 4))
	for range reads {
		off := rng.Int64N(sh.Plain() - int64(length))
		start := time.Now()
		_, err := z.ReadAt(context.Background(), got, off)
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

// gzipWorkers compares reading an indexed .tgz in order with two workers to doing so with one.
func (b *bench) gzipWorkers(ctx context.Context) (*plan, error) {
	s := pictures()
	sh, err := b.indexed(ctx, s)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	p.later(sh.Close)
	w := work{float64(s.size()) / 1e6, "MB"}
	for _, workers := range []int{2, 1} {
		p.trials = append(p.trials, measured(timed(fmt.Sprintf("workers=%d", workers), w),
			fmt.Sprintf("# codec.ReaderAt with %d workers, 128 KiB at a time, of %s", workers, sh.Name),
			func(context.Context) (float64, error) { return timeInOrder(sh, workers) }))
	}
	return p, nil
}

// timeInOrder reads all plain bytes of a shard. The reader compares them with its checksums.
func timeInOrder(sh *shard.Shard, workers int) (seconds float64, err error) {
	z, done, err := decoded(sh, codec.ReaderAtOptions{Workers: workers})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, done()) }()
	buf := make([]byte, 128<<10)
	start := time.Now()
	for off := int64(0); off < sh.Plain(); {
		n, err := z.ReadAt(context.Background(), buf, off)
		if off += int64(n); err != nil && !(err == io.EOF && off == sh.Plain()) {
			return 0, err
		}
	}
	return time.Since(start).Seconds(), nil
}

// decoded returns a new reader of the plain bytes of a shard, with an empty cache, and a function that closes it.
func decoded(sh *shard.Shard, o codec.ReaderAtOptions) (z *codec.ReaderAt, done func() error, err error) {
	file, err := sh.Built()
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(sh.Name)
	if err != nil {
		return nil, nil, err
	}
	z = codec.NewReaderAt(sh.Format, codec.FromReaderAt(f), sh.Origin.Size, file.Map, o)
	return z, func() error { return errors.Join(z.Close(), f.Close()) }, nil
}

// indexed opens the .tgz of a shard with the cached index.
func (b *bench) indexed(ctx context.Context, s drawn) (*shard.Shard, error) {
	name, err := b.compressed(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, _, err := execute(ctx, "", b.shardfs, "index", name); err != nil {
		return nil, err
	}
	sh, err := shard.Open(ctx, name, shard.Options{CacheDir: b.shared("cache/shardfs")})
	if err == nil && sh.Indexed {
		err = errors.Join(fmt.Errorf("%s: not opened by its index file", name), sh.Close())
	}
	return sh, err
}

// compressed compresses a shard by gzip -6 unless an earlier run has left the result, reads that into the page cache
// and returns its path.
func (b *bench) compressed(ctx context.Context, s drawn) (string, error) {
	return b.compressedBy(ctx, s, ".gz", "gzip", "-6")
}

// compressedBy is compressed for a program that reads a file and writes to standard output with -c.
func (b *bench) compressedBy(ctx context.Context, s drawn, suffix string, program ...string) (string, error) {
	plain, err := b.draw(ctx, s)
	if err != nil {
		return "", err
	}
	name := plain + suffix
	from, err := os.Stat(plain)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(name); err != nil || info.ModTime().Before(from.ModTime()) {
		note("compressing %s", name)
		err := create(name, func(w io.Writer) error {
			argv := append(program[:len(program):len(program)], "-c", plain)
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Stdout = w
			return cmd.Run()
		})
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", program[0], plain, err)
		}
	}
	return name, warm(name)
}

// written returns the length of an index file.
func written(f *index.File) (int64, error) {
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
