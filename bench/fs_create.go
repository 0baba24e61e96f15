package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// fsCreate compares creating files in the samples of a writable mount, with both kinds of overlay, with creating them
// in directories. All are on a tmpfs.
func (b *bench) fsCreate(ctx context.Context) (*plan, error) {
	const samples, tmpfs = 2_000, "/dev/shm"
	if _, err := os.Stat(tmpfs); err != nil {
		note("FSCreate: not measured, there is no tmpfs: %v", err)
		return &plan{}, nil
	}
	s := photos(10_000)
	if _, err := b.draw(ctx, s); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(tmpfs, "shardfs-bench-")
	if err != nil {
		return nil, err
	}
	p := new(plan)
	p.later(func() error { return os.RemoveAll(tmp) })
	scratch, dirs := filepath.Join(tmp, "scratch"), filepath.Join(tmp, "samples")

	fresh := func(ext string) files {
		return s.files(1, func(key, _ string) string { return asSample(key, ext) }, "jpg").first(samples)
	}
	w := work{samples, "files"}
	steps := func(in string) []step {
		return []step{{timed("file=first/in="+in, w), fresh("new").creating(8)},
			{timed("file=second/in="+in, w), fresh("newer").creating(8)}}
	}
	for _, kind := range []string{"kernel", "fuse"} {
		t := b.mounted(s, "--overlay", kind, "--scratch", scratch).visit(steps("overlay-" + kind)...)
		t.prepare = func() error { return os.RemoveAll(scratch) }
		p.trials = append(p.trials, t)
	}
	peer := directory(dirs).visit(steps("directory")...)
	peer.prepare = func() error {
		if err := os.RemoveAll(dirs); err != nil {
			return err
		}
		for _, name := range fresh("new").below(dirs) {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
		}
		return nil
	}
	p.trials = append(p.trials, peer)
	return p, nil
}

// creating returns the task of creating each file, writing a page and closing it. Writers take the files in turn. The
// files are then read for comparison, which is not timed.
func (f files) creating(writers int) task {
	content := bytes.Repeat([]byte("new."), page/4)
	what := fmt.Sprintf("# writers: %d; create, write 4 KiB and close %s and %d more below", writers, f.names[0],
		len(f.names)-1)
	return task{what, func(ctx context.Context, root string) (float64, error) {
		names := f.below(root)
		seconds, _, err := share(ctx, writers, len(names), func(i int, _ []byte) (int, error) {
			return 0, createFile(names[i], content)
		})
		if err != nil {
			return 0, err
		}
		for _, name := range names {
			if got, err := os.ReadFile(name); err != nil {
				return 0, err
			} else if !bytes.Equal(got, content) {
				return 0, fmt.Errorf("%s is not what was written", name)
			}
		}
		return seconds, nil
	}}
}

// createFile creates a file, which must not exist, with one write.
func createFile(name string, content []byte) error {
	fd, err := openFile(name, syscall.O_CREAT|syscall.O_EXCL|syscall.O_WRONLY)
	if err != nil {
		return err
	}
	n, err := again(func() (int, error) { return syscall.Write(fd, content) })
	if err = errors.Join(err, syscall.Close(fd)); err == nil && n != len(content) {
		err = fmt.Errorf("%d bytes, want %d", n, len(content))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
