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

// fsCreate compares creating files in the samples of a writable mount, by either kind of overlay, with creating them in
// directories. All of them are written to a tmpfs.
func (b *bench) fsCreate(ctx context.Context) (rows []row, err error) {
	const samples, memory = 2_000, "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		note("fs-create: not measured, there is no tmpfs: %v", err)
		return nil, nil
	}
	s := photos(10_000)
	if _, err := b.draw(ctx, s); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(memory, "shardfs-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	scratch, dirs := filepath.Join(tmp, "scratch"), filepath.Join(tmp, "samples")

	fresh := func(ext string) files {
		return s.files(1, func(key, _ string) string { return asSample(key, ext) }, "jpg").first(samples)
	}
	create := []task{fresh("new").creating(8), fresh("newer").creating(8)}
	overlaid := func(kind string) []*side {
		made := b.mounted(s, nil, "--overlay", kind, "--scratch", scratch).do(create...)
		made[0].prepare = func() error { return os.RemoveAll(scratch) }
		return made
	}
	kernel, fuse, peer := overlaid("kernel"), overlaid("fuse"), directory(dirs).do(create...)
	peer[0].prepare = func() error {
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
	if err := b.interleave(ctx, "fs-create", kernel[0], peer[0], fuse[0]); err != nil {
		return nil, err
	}
	w := work{samples, "files"}
	return []row{
		versus("create a first file of 4 KiB in each of 2 000 samples, 8 writers, kernel's overlay; peer: directories on tmpfs", w, kernel[0], peer[0], 0),
		versus("and then another one", w, kernel[1], peer[1], 0.3),
		versus("the first, overlay by FUSE", w, fuse[0], peer[0], 0),
		versus("and then another one", w, fuse[1], peer[1], 0.12),
	}, nil
}

// creating is the task to create each file, write a page and close it. Writers take the files in turn. What was written is
// read again, but not timed.
func (f files) creating(writers int) task {
	content := bytes.Repeat([]byte("new."), page/4)
	what := fmt.Sprintf("# writers: %d; create, write 4 KiB and close %s and %d more below", writers, f.names[0], len(f.names)-1)
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

// createFile creates a file that must not be there, with one write.
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
