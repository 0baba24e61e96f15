package main

import (
	"context"
	"fmt"
	"syscall"
)

// fsList compares listing a mount with listing the same files extracted. The mount shows two files more in each sample.
func (b *bench) fsList(ctx context.Context) ([]row, error) {
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	readOnly := b.mounted(s, nil, "-r")
	find, ls := listing("find"), listing("ls", "-lR")
	ours, peer := readOnly.do(find, find), extracted.do(find, find)
	oursLong, peerLong := readOnly.do(ls, ls), extracted.do(ls, ls)
	if err := b.interleave(ctx, "fs-list", ours[0], peer[0], oursLong[0], peerLong[0]); err != nil {
		return nil, err
	}
	w := work{float64(s.samples), "samples"}
	rows := []row{
		versus("find in 10 000 samples, first time; peer: extracted", w, ours[0], peer[0], 0),
		versus("the same, second time", w, ours[1], peer[1], 1.0),
		versus("ls -lR of 10 000 samples, first time; peer: extracted", w, oursLong[0], peerLong[0], 0.33),
		versus("the same, second time", w, oursLong[1], peerLong[1], 0.83),
	}
	flat, ok := b.archivemounted(s)
	if !ok {
		return rows, nil
	}
	other, otherLong := flat.do(find, find), flat.do(ls, ls)
	if err := b.once(ctx, "fs-list with archivemount", other[0], otherLong[0]); err != nil {
		return nil, err
	}
	return append(rows,
		versus("find, second time; peer: archivemount, all members in one directory, one round", w, ours[1], other[1], 0),
		versus("ls -lR, first time; peer: archivemount, all members in one directory, one round", w, oursLong[0], otherLong[0], 0),
	), nil
}

// listing is the task to run a program on a directory. What it prints is read and dropped.
func listing(argv ...string) task {
	return task{quote(argv), func(ctx context.Context, root string) (float64, error) {
		seconds, _, err := execute(ctx, "", append(argv[:len(argv):len(argv)], root)...)
		return seconds, err
	}}
}

// fsStat compares asking for the attributes of files that were asked for before with the same of files extracted.
func (b *bench) fsStat(ctx context.Context) ([]row, error) {
	const samples, times = 2_000, 10
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	some := s.files(1, asSample, "cls", "jpg", "json").first(3 * samples)
	first, more := some.statting(1), some.statting(times)
	ours, peer := b.mounted(s, nil, "-r").do(first, more), extracted.do(first, more)
	if err := b.interleave(ctx, "fs-stat", ours[0], peer[0]); err != nil {
		return nil, err
	}
	n := float64(len(some.names))
	return []row{
		versus("lstat every file of 2 000 samples, first pass; peer: extracted", work{n, "files"}, ours[0], peer[0], 0),
		versus("the same, 10 passes more", work{n * times, "files"}, ours[1], peer[1], 0.8),
	}, nil
}

// statting is the task to lstat each file, in order, some times over.
func (f files) statting(times int) task {
	what := fmt.Sprintf("# passes: %d; lstat %s and %d more below", times, f.names[0], len(f.names)-1)
	return task{what, func(ctx context.Context, root string) (float64, error) {
		names := f.below(root)
		seconds, sum, err := share(ctx, 1, times*len(names), func(i int, _ []byte) (int, error) {
			var st syscall.Stat_t
			_, err := again(func() (int, error) { return 0, syscall.Lstat(names[i%len(names)], &st) })
			return int(st.Size), err
		})
		if want := times * int(f.size()); err == nil && sum != want {
			err = fmt.Errorf("%s: files of %d bytes in all, want %d", root, sum, want)
		}
		return seconds, err
	}}
}
