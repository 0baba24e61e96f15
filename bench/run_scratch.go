package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// runScratch reports how much scratch space a run needs that changes the largest file of every sample. The scratch
// directory is a separate file system, so that unnamed files are counted, too.
func (b *bench) runScratch(ctx context.Context) (*plan, error) {
	const jobs = 8
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	dir, out := b.path("scratch"), b.path("out.tar")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1g"); err != nil {
		note("RunScratch: not measured, no file system can be mounted at %s: %v", dir, err)
		return &plan{}, nil
	}
	p := &plan{once: true}
	p.later(func() error { return errors.Join(syscall.Unmount(dir, 0), os.Remove(dir), os.RemoveAll(out)) })
	for _, how := range []struct{ name, workspace, text string }{
		{"appended/in=mount", "fuse", "printf . >>sample.jpg"},
		{"appended/in=copies", "dir", "printf . >>sample.jpg"},
		{"copied/in=mount", "fuse", "cp sample.jpg sample.png"},
		{"copied/in=copies", "dir", "cp sample.jpg sample.png"},
	} {
		argv := []string{
			b.shardfs, "run", "-j", fmt.Sprint(jobs), "--workspace", how.workspace, "--scratch", dir, "-c", how.text,
			"-o", out, name,
		}
		p.trials = append(p.trials, &trial{
			command: quote(argv), program: true,
			figures: []*figure{timed(how.name, work{float64(s.samples), "samples"}), quantity(how.name+"/peak", "B")},
			run: func(ctx context.Context) ([]float64, error) {
				var seconds float64
				peak, err := peakOf(dir, func() (err error) {
					seconds, _, err = execute(ctx, "", argv...)
					return err
				})
				return []float64{seconds, peak}, err
			},
		})
	}
	return p, nil
}

// peakOf returns the peak of bytes in use on the file system at dir during work, minus those in use before.
func peakOf(dir string, work func() error) (peak float64, err error) {
	used := func() (float64, error) {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		return float64(st.Blocks-st.Bfree) * float64(st.Bsize), err
	}
	before, err := used()
	if err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- work() }()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return peak, err
		case <-tick.C:
			now, err := used()
			if err != nil {
				return 0, errors.Join(err, <-done)
			}
			peak = max(peak, now-before)
		}
	}
}
