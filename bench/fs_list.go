package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// fsList compares listing a mount with listing the same files extracted. The mount has two more files in each sample.
func (b *bench) fsList(ctx context.Context) (*plan, error) {
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	w := work{float64(s.samples), "samples"}
	find := b.twice(s, extracted, "find", w, listing("find"))
	return &plan{trials: append(find, b.twice(s, extracted, "ls-lR", w, listing("ls", "-lR"))...)}, nil
}

// listing returns the task of running a program on a directory. Its output is read and dropped.
func listing(argv ...string) task {
	return task{quote(argv), func(ctx context.Context, root string) (float64, error) {
		seconds, _, err := execute(ctx, "", append(argv[:len(argv):len(argv)], root)...)
		return seconds, err
	}}
}

// fsStat compares lstat of the files in a mount, a first and a second time, with lstat of extracted files.
func (b *bench) fsStat(ctx context.Context) (*plan, error) {
	const samples, passes = 2_000, 10
	s, extracted, err := b.photosExtracted(ctx)
	if err != nil {
		return nil, err
	}
	some := s.files(1, asSample, "cls", "jpg", "json").first(3 * samples)
	n := float64(len(some.names))
	steps := func(in string) []step {
		return []step{
			{timed("lstat/pass=1/in="+in, work{n, "files"}), some.statting(1)},
			{timed("lstat/pass=2to11/in="+in, work{n * passes, "files"}), some.statting(passes)},
		}
	}
	mounted := b.mounted(s, "-r").visit(steps("mount")...)
	return &plan{trials: []*trial{mounted, extracted.visit(steps("directory")...)}}, nil
}

// fsWide lists a sample of many members through the FUSE overlay, with its attributes.
func (b *bench) fsWide(ctx context.Context) (*plan, error) {
	const members = 32_000
	s := drawn{"wide.tar", 1, func(int) []member {
		list := make([]member, members)
		for i := range list {
			list[i] = member{ext: fmt.Sprintf("%05d", i), text: "x"}
		}
		return list
	}}
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	figure := timed("ls-l/in=overlay-fuse", work{members, "files"})
	overlay := &trial{command: quote(b.mounting(name, "--overlay", "fuse")) + "\nls -l 000000", program: true}
	overlay.figures = append(overlay.figures, figure)
	overlay.run = func(ctx context.Context) ([]float64, error) {
		m, err := b.mount(ctx, name, "--overlay", "fuse")
		if err != nil {
			return nil, err
		}
		seconds, _, err := execute(ctx, "", "ls", "-l", m.dir+"/000000")
		return []float64{seconds}, errors.Join(err, m.close())
	}
	return &plan{trials: []*trial{overlay}}, nil
}

// statting returns the task of calling lstat for each file, in order, several times over.
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
