package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// read compares reading every file of a fresh mount with reading the same files extracted, and says what the mount's
// server has in memory afterwards.
func (b *bench) read(ctx context.Context) ([]row, error) {
	const asked = 64 << 20
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	root, err := b.extract(ctx, s)
	if err != nil {
		return nil, err
	}
	want := s.bodies()
	var nows, peaks []float64
	mounted := func(flags ...string) *side {
		return &side{
			command: "read every sample.* below " + quote(slices.Concat([]string{b.shardfs, "mount"}, flags, []string{name, b.path("mnt")})),
			run: func(ctx context.Context) (seconds float64, err error) {
				m, err := b.mount(ctx, name, flags...)
				if err != nil {
					return 0, err
				}
				defer func() { err = errors.Join(err, m.close()) }()
				if seconds, err = timeTree(ctx, m.dir, want); err != nil {
					return 0, err
				}
				mem, err := m.memory()
				nows, peaks = append(nows, mem.now), append(peaks, mem.peak)
				return seconds, err
			},
		}
	}
	ours, readOnly := mounted(), mounted("--read-only")
	peer := &side{
		command: "read every sample.* below " + root,
		run:     func(ctx context.Context) (float64, error) { return timeTree(ctx, root, want) },
	}
	if err := b.interleave(ctx, "read", ours, readOnly, peer); err != nil {
		return nil, err
	}
	w := work{float64(want) / 1e6, "MB"}
	return []row{
		versus("read 1 GB, 30 000 files, once", w, ours, peer, 0.3),
		versus("the same, mounted read-only", w, readOnly, peer, 0),
		{
			measure:  "memory of the server after that",
			ours:     fmt.Sprintf("peak %.0f MiB, then %.0f MiB", median(peaks)/(1<<20), median(nows)/(1<<20)),
			asked:    fmt.Sprintf("<= %d MiB", asked>>20),
			ok:       median(peaks) <= asked,
			commands: []string{"VmHWM and VmRSS in /proc/PID/status of " + quote([]string{b.shardfs, "mount", "--foreground", name, b.path("mnt")})},
		},
	}, nil
}

// timeTree is readTree timed. Any other number of bytes than wanted is an error.
func timeTree(ctx context.Context, root string, want int64) (float64, error) {
	start := time.Now()
	n, err := readTree(ctx, root)
	seconds := time.Since(start).Seconds()
	if err == nil && n != want {
		err = fmt.Errorf("%s has %d bytes, want %d", root, n, want)
	}
	return seconds, err
}

// readTree reads the files sample.* of every directory below root, one after the other, and returns how many bytes they
// have. It goes by name, which in our shards is the order in the tar.
func readTree(ctx context.Context, root string) (int64, error) {
	samples, err := os.ReadDir(root)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 128<<10)
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
			total += n
		}
	}
	return total, nil
}

func readFile(name string, buf []byte) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for total := int64(0); ; {
		n, err := f.Read(buf)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
