package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// fsRead compares reading files of a fresh mount, and reading them again, with reading the same files extracted.
func (b *bench) fsRead(ctx context.Context) ([]row, error) {
	const asked = 64 << 20
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	var mem []memory
	pictures := s.files(1, asSample, "jpg")
	one, eight, walk := pictures.reading(1), pictures.reading(8), walking(s.bodies())
	readOnly, writable := b.mounted(s, &mem, "-r"), b.mounted(s, &mem)

	ours, changeable, peer := readOnly.do(one, one), writable.do(one, one), extracted.do(one, one)
	oursEight, peerEight := readOnly.do(eight), extracted.do(eight)
	oursWalk, peerWalk := readOnly.do(walk), extracted.do(walk)
	err = b.interleave(ctx, "fs-read", ours[0], peer[0], changeable[0], oursEight[0], peerEight[0], oursWalk[0], peerWalk[0])
	if err != nil {
		return nil, err
	}
	var peaks []float64
	for _, m := range mem {
		peaks = append(peaks, m.peak)
	}
	w, all := pictures.megabytes(), work{float64(s.bodies()) / 1e6, "MB"}
	rows := []row{
		versus("read whole files, the pictures of 10 000 samples, 1 reader, first pass; peer: extracted", w, ours[0], peer[0], 0.3),
		versus("the same, 8 readers", w, oursEight[0], peerEight[0], 0.4),
		versus("the same, 1 reader, second pass", w, ours[1], peer[1], 0.85),
		versus("the same, mounted writable, first pass", w, changeable[0], peer[0], 0),
		versus("the same, mounted writable, second pass", w, changeable[1], peer[1], 0),
		versus("read all 30 000 files in order, first pass; peer: extracted", all, oursWalk[0], peerWalk[0], 0.45),
		atMost("memory of the server after any of that", peaks, asked, mebibytes, "VmHWM in /proc/PID/status of the server"),
	}
	slow, ok := b.archivemounted(s)
	if !ok {
		return rows, nil
	}
	// It searches for each file from the start of the shard.
	const every = 100
	some := slow.do(times(every, s.files(every, asMember, "jpg").reading(1)))
	someOfAll := slow.do(times(every, s.files(every, asMember, "cls", "jpg", "json").reading(1)))
	if err := b.once(ctx, "fs-read with archivemount", some[0], someOfAll[0]); err != nil {
		return nil, err
	}
	return append(rows,
		versus("whole files, 1 reader, first pass; peer: archivemount, 100 times every 100th sample, one round", w, ours[0], some[0], 0),
		versus("all files in order; peer: archivemount, 100 times every 100th sample, one round", all, oursWalk[0], someOfAll[0], 0),
	), nil
}

// fsSmall does the same with the small files only.
func (b *bench) fsSmall(ctx context.Context) ([]row, error) {
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	small := s.files(1, asSample, "cls", "json")
	read := small.reading(1)
	ours, peer := b.mounted(s, nil, "-r").do(read, read), extracted.do(read, read)
	if err := b.interleave(ctx, "fs-small", ours[0], peer[0]); err != nil {
		return nil, err
	}
	w := work{float64(len(small.names)), "files"}
	return []row{
		versus("read 20 000 small files, by known names, first pass; peer: extracted", w, ours[0], peer[0], 0.12),
		versus("the same, second pass", w, ours[1], peer[1], 0.75),
	}, nil
}

// fsRandom does the same with a page of each file, at random.
func (b *bench) fsRandom(ctx context.Context) ([]row, error) {
	const reads = 10_000
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	read := s.files(1, asSample, "jpg").readingPages(reads)
	ours, peer := b.mounted(s, nil, "-r").do(read, read), extracted.do(read, read)
	if err := b.interleave(ctx, "fs-random", ours[0], peer[0]); err != nil {
		return nil, err
	}
	w := work{reads, "reads"}
	return []row{
		versus("open a picture at random and read 4 KiB at random, 1 reader, first pass; peer: extracted", w, ours[0], peer[0], 0.1),
		versus("the same, second pass", w, ours[1], peer[1], 0.85),
	}, nil
}

// reading is the task to open each file, read it with one read and close it. Readers take the files in turn.
func (f files) reading(readers int) task {
	var right answer
	what := fmt.Sprintf("# readers: %d; open, read whole and close %s and %d more below", readers, f.names[0], len(f.names)-1)
	return task{what, func(ctx context.Context, root string) (float64, error) {
		names := f.below(root)
		seconds, sum, err := share(ctx, readers, len(names), func(i int, buf []byte) (int, error) {
			n, err := readFile(names[i], buf)
			if err == nil && int64(n) != f.sizes[i] {
				err = fmt.Errorf("%s: read %d bytes, want %d", names[i], n, f.sizes[i])
			}
			return sumOf(buf[:n]), err
		})
		if err == nil {
			err = right.check(root, sum)
		}
		return seconds, err
	}}
}

const page = 4 << 10

// sumOf adds up one byte of each page. To add up all would take as long as to read them.
func sumOf(p []byte) int {
	sum := len(p)
	for i := 0; i < len(p); i += page {
		sum += int(p[i])
	}
	return sum
}

// readingPages is the task to read so many pages at random, each of a file opened for it and closed after it.
func (f files) readingPages(reads int) task {
	picks := make([]struct {
		file int
		off  int64
	}, reads)
	rng := rand.New(rand.NewPCG(6, 6))
	for i := range picks {
		file := rng.IntN(len(f.names))
		picks[i].file, picks[i].off = file, page*rng.Int64N(f.sizes[file]/page)
	}
	var right answer
	what := fmt.Sprintf("# open a file at random, pread 4 KiB at random and close it, %d times, below", reads)
	return task{what, func(ctx context.Context, root string) (float64, error) {
		names := f.below(root)
		seconds, sum, err := share(ctx, 1, reads, func(i int, buf []byte) (int, error) {
			return readPage(names[picks[i].file], buf[:page], picks[i].off)
		})
		if err == nil {
			err = right.check(root, sum)
		}
		return seconds, err
	}}
}

// readPage fills buf from a place in a file and returns the sum of its first and its last byte.
func readPage(name string, buf []byte, off int64) (int, error) {
	fd, err := openFile(name, syscall.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	n, err := again(func() (int, error) { return syscall.Pread(fd, buf, off) })
	if err == nil && n != len(buf) {
		err = fmt.Errorf("%d bytes, want %d", n, len(buf))
	}
	if err != nil {
		return 0, fmt.Errorf("read %s at %d: %w", name, off, err)
	}
	return int(buf[0]) + int(buf[n-1]), nil
}

// times counts a task so many times: it is done with a part of the files, as an example of all.
func times(n int, t task) task {
	return task{t.what, func(ctx context.Context, root string) (float64, error) {
		seconds, err := t.run(ctx, root)
		return float64(n) * seconds, err
	}}
}

// walking is readTree as a task. Any other number of bytes than wanted is an error.
func walking(want int64) task {
	return task{"# list each directory and read its files sample.*, below", func(ctx context.Context, root string) (float64, error) {
		start := time.Now()
		n, err := readTree(ctx, root)
		seconds := time.Since(start).Seconds()
		if err == nil && n != want {
			err = fmt.Errorf("%s has %d bytes, want %d", root, n, want)
		}
		return seconds, err
	}}
}

// readTree reads the files sample.* of every directory below root, one after the other, and returns how many bytes they
// have. It goes by name, which in our shards is the order in the tar.
func readTree(ctx context.Context, root string) (int64, error) {
	samples, err := os.ReadDir(root)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, bufferSize)
	var total int64
	for _, sample := range samples {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		dir := filepath.Join(root, sample.Name())
		files, err := os.ReadDir(dir)
		if err != nil {
			return 0, err
		}
		for _, file := range files {
			if !strings.HasPrefix(file.Name(), "sample.") {
				continue
			}
			n, err := readFile(filepath.Join(dir, file.Name()), buf)
			if err != nil {
				return 0, err
			}
			total += int64(n)
		}
	}
	return total, nil
}
