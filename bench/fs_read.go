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

// fsRead compares reading files of a new mount, and reading them again, with reading the same files extracted.
func (b *bench) fsRead(ctx context.Context) (*plan, error) {
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	pictures := s.files(1, asSample, "jpg")
	w, all := pictures.megabytes(), work{float64(s.bodies()) / 1e6, "MB"}
	one, eight, walk := pictures.reading(1), pictures.reading(8), walking(s.bodies())
	passes := func(in string) []step {
		return []step{{timed("pictures/readers=1/pass=1/in="+in, w), one},
			{timed("pictures/readers=1/pass=2/in="+in, w), one}}
	}
	byEight := func(in string) step { return step{timed("pictures/readers=8/pass=1/in="+in, w), eight} }
	inOrder := func(in string) step { return step{timed("all/readers=1/pass=1/in="+in, all), walk} }
	readOnly, writable := b.mounted(s, "-r"), b.mounted(s)
	p := &plan{trials: []*trial{
		readOnly.visit(passes("mount")...), extracted.visit(passes("directory")...),
		writable.visit(passes("writable")...), b.served(s, "-r").visit(passes("mount-served")...),
		readOnly.visit(byEight("mount")), extracted.visit(byEight("directory")),
		readOnly.weighed(quantity("server/peak", "B"), inOrder("mount")), extracted.visit(inOrder("directory")),
	}}
	return p, nil
}

// fsArchive does a hundredth of that with archivemount, which searches for each file from the start of the shard.
func (b *bench) fsArchive(ctx context.Context) (*plan, error) {
	s, _, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	slow, ok := b.archivemounted(s)
	if !ok {
		return &plan{}, nil
	}
	const every = 100
	pictures, all := s.files(every, asMember, "jpg"), s.files(every, asMember, "cls", "jpg", "json")
	ours, oursAll := s.files(every, asSample, "jpg"), s.files(every, asSample, "cls", "jpg", "json")
	readOnly := b.mounted(s, "-r")
	w, wAll, samples := pictures.megabytes(), all.megabytes(), work{float64(s.samples), "samples"}
	ls := listing("ls", "-lR")
	return &plan{once: true, trials: []*trial{
		readOnly.visit(step{timed("pictures/in=mount", w), ours.reading(1)}),
		slow.visit(step{timed("pictures/in=archivemount", w), pictures.reading(1)}),
		readOnly.visit(step{timed("all/in=mount", wAll), oursAll.reading(1)}),
		slow.visit(step{timed("all/in=archivemount", wAll), all.reading(1)}),
		readOnly.visit(step{timed("ls/in=mount", samples), ls}),
		slow.visit(step{timed("ls/in=archivemount", samples), ls}),
	}}, nil
}

// twice returns the trials of a task done twice in a mount and in the extracted files.
func (b *bench) twice(s drawn, extracted place, name string, w work, t task) []*trial {
	steps := func(in string) []step {
		return []step{{timed(name+"/pass=1/in="+in, w), t}, {timed(name+"/pass=2/in="+in, w), t}}
	}
	return []*trial{b.mounted(s, "-r").visit(steps("mount")...), extracted.visit(steps("directory")...)}
}

// fsSmall reads only the small files.
func (b *bench) fsSmall(ctx context.Context) (*plan, error) {
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	small := s.files(1, asSample, "cls", "json")
	w := work{float64(len(small.names)), "files"}
	return &plan{trials: b.twice(s, extracted, "files", w, small.reading(1))}, nil
}

// fsRandom reads random pages of random files.
func (b *bench) fsRandom(ctx context.Context) (*plan, error) {
	const reads = 10_000
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	read := s.files(1, asSample, "jpg").readingPages(reads)
	return &plan{trials: b.twice(s, extracted, "4KiB", work{reads, "reads"}, read)}, nil
}

// reading returns the task of opening each file, reading it with one read and closing it. Readers take the files in
// turn.
func (f files) reading(readers int) task {
	var right answer
	what := fmt.Sprintf("# readers: %d; open, read whole and close %s and %d more below", readers, f.names[0],
		len(f.names)-1)
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

// sumOf adds up one byte of each page. Adding up all bytes would take as long as reading them.
func sumOf(p []byte) int {
	sum := len(p)
	for i := 0; i < len(p); i += page {
		sum += int(p[i])
	}
	return sum
}

// readingPages returns the task of reading that many random pages. The file is opened before and closed after each of
// them.
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

// readPage fills buf from an offset in a file and returns the sum of its first and its last byte.
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

// walking returns readTree as a task.
func walking(want int64) task {
	return reading("# list each directory and read its files sample.*, below", readTree, want)
}

// reading returns a function that reads a tree as a task. It is an error if the number of bytes is not want.
func reading(command string, read func(ctx context.Context, root string) (int64, error), want int64) task {
	return task{command, func(ctx context.Context, root string) (float64, error) {
		start := time.Now()
		n, err := read(ctx, root)
		seconds := time.Since(start).Seconds()
		if err == nil && n != want {
			err = fmt.Errorf("%s has %d bytes, want %d", root, n, want)
		}
		return seconds, err
	}}
}

// readTree reads the files sample.* of every directory below root, one after the other, and returns how many bytes they
// have. It reads them in order of their names, which in the bench's shards is the order of the tar.
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
		n, err := readSample(filepath.Join(root, sample.Name()), buf)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// readSample reads the files sample.* of a directory, and returns how many bytes they have.
func readSample(dir string, buf []byte) (total int64, err error) {
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
	return total, nil
}
