package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// runScratch says how much of a scratch directory a run needs that changes the largest file of every sample. The directory is a
// file system of its own, so that what has no name is counted, too.
func (b *bench) runScratch(ctx context.Context) (rows []row, err error) {
	const jobs = 8
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	dir := b.path("scratch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1g"); err != nil {
		note("run-scratch: not measured, no file system can be mounted at %s: %v", dir, err)
		return nil, nil
	}
	defer func() { err = errors.Join(err, syscall.Unmount(dir, 0), os.Remove(dir)) }()
	out := b.path("out.tar")
	defer os.Remove(out)

	asked := 2 * jobs * float64(slices.Max(s.files(1, asMember, "jpg").sizes))
	var sides []*side
	var peaks [4][]float64
	for i, how := range []struct{ workspace, text string }{
		{"fuse", "printf . >>sample.jpg"},
		{"dir", "printf . >>sample.jpg"},
		{"fuse", "cp sample.jpg sample.png"},
		{"dir", "cp sample.jpg sample.png"},
	} {
		argv := []string{b.shardfs, "run", "-j", fmt.Sprint(jobs), "--workspace", how.workspace, "--scratch", dir, "-c", how.text, "-o", out, name}
		sides = append(sides, &side{
			command: quote(argv),
			run: func(ctx context.Context) (seconds float64, err error) {
				peak, err := peakOf(dir, func() (err error) {
					seconds, _, err = execute(ctx, "", argv...)
					return err
				})
				peaks[i] = append(peaks[i], peak)
				return seconds, err
			},
		})
	}
	if err := b.once(ctx, "run-scratch", sides...); err != nil {
		return nil, err
	}
	for i, what := range []string{"a byte appended to", "the same, samples copied to directories", "a copy made of", "the same, samples copied to directories"} {
		if !strings.HasPrefix(what, "the same") {
			what = fmt.Sprintf("scratch in use at its peak, %d at a time, 1 GB, %s every picture, one round", jobs, what)
		}
		rows = append(rows, atMost(what, peaks[i], asked, kilobytes, sides[i].command))
	}
	return rows, nil
}

// kilobytes writes bytes as such.
func kilobytes(bytes float64) string { return group(bytes/1e3) + " kB" }

// peakOf returns how many bytes of the file system at dir were in use at most while work went on, more than before.
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
