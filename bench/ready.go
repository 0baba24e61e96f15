package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// mountMillion says how long it takes to mount a shard of a million members that was indexed before, until the first line
// of a listing is there, and what the server then has in memory.
func (b *bench) mountMillion(ctx context.Context) ([]row, error) {
	s := texts(500_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, _, err := execute(ctx, "", b.shardfs, "index", name); err != nil { // into the cache
		return nil, err
	}
	mnt := b.path("mnt")
	var resident []float64
	weigh := func() error {
		server, err := serverOf(mnt)
		if err != nil {
			return err
		}
		mem, err := memoryOf(server)
		resident = append(resident, mem.now)
		return err
	}
	ours := b.inBackground(s, weigh, "sh", "-ec", `"$1" mount -r "$2" "$3"; ls -U "$3" | head -1`, "sh", b.shardfs, name, mnt)
	if err := b.interleave(ctx, "mount-million", ours); err != nil {
		return nil, err
	}
	return []row{
		atMost("mount 1 000 000 members, indexed before, to the first line of ls", ours.took, 30e-3, milliseconds, ours.command),
		atMost("memory of the server after that", resident, 24<<20, mebibytes, "VmRSS in /proc/PID/status of the server"),
	}, nil
}

// mountPacked says how long it takes to mount what pack has compressed, where no index file is kept, until mount returns.
func (b *bench) mountPacked(ctx context.Context) ([]row, error) {
	const asked = 50e-3
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	var sides []*side
	var measures []string
	for _, suffix := range []string{".tar.gz", ".tar.zst"} {
		packed := b.path("packed" + suffix)
		defer os.Remove(packed)
		if err := b.packTo(ctx, name, packed); err != nil {
			return nil, err
		}
		writable, readOnly := b.mountingAnew(s, packed), b.mountingAnew(s, packed, "-r")
		sides = append(sides, writable, readOnly)
		measures = append(measures, "mount 1 GB that pack wrote as "+suffix+", without an index file", "the same, read-only")
	}
	if err := b.interleave(ctx, "mount-packed", sides...); err != nil {
		return nil, err
	}
	var rows []row
	for i, s := range sides {
		rows = append(rows, atMost(measures[i], s.took, asked, milliseconds, s.command))
	}
	return rows, nil
}

// mountingAnew is a side that mounts a shard with an empty cache.
func (b *bench) mountingAnew(s shard, name string, flags ...string) *side {
	nothing := func() error { return nil }
	mounting := b.inBackground(s, nothing, slices.Concat([]string{b.shardfs, "mount"}, flags, []string{name, b.path("mnt")})...)
	prepare := mounting.prepare
	mounting.prepare = func() error { return errors.Join(prepare(), os.RemoveAll(b.path("cache/shardfs"))) }
	return mounting
}

// packTo packs a shard as it is.
func (b *bench) packTo(ctx context.Context, shard, out string) (err error) {
	note("packing %s", out)
	m, err := b.mount(ctx, shard, "--read-only")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	_, _, err = execute(ctx, "", b.shardfs, "pack", m.dir, "-o", out)
	return err
}

// inBackground is a side that runs a command which leaves a shard mounted. After it look is called, and the last sample is
// compared with what was drawn; then the shard is unmounted. Nothing of that is timed.
func (b *bench) inBackground(s shard, look func() error, argv ...string) *side {
	m := &mount{dir: b.path("mnt"), shardfs: b.shardfs}
	return &side{
		command: quote(argv),
		prepare: func() error {
			m.detach() // what a bench that was killed left
			return os.MkdirAll(m.dir, 0o755)
		},
		run: func(ctx context.Context) (float64, error) {
			seconds, _, err := execute(ctx, "", argv...)
			if err == nil {
				err = errors.Join(look(), s.sameText(m.dir, s.samples-1))
			}
			if out, failed := exec.Command(b.shardfs, "umount", m.dir).CombinedOutput(); failed != nil {
				err = errors.Join(err, fmt.Errorf("umount %s: %w\n%s", m.dir, failed, bytes.TrimSpace(out)))
				m.detach()
			}
			return seconds, err
		},
	}
}

// sameText says whether the text files of a sample are as they were drawn, in a directory that shows the shard.
func (s shard) sameText(root string, i int) error {
	for _, m := range s.members(i) {
		if m.random > 0 {
			continue
		}
		name := filepath.Join(root, fmt.Sprintf("%06d", i), "sample."+m.ext)
		if got, err := os.ReadFile(name); err != nil {
			return err
		} else if string(got) != m.text {
			return fmt.Errorf("%s holds %q, want %q", name, got, m.text)
		}
	}
	return nil
}

// serverOf returns the process that serves a mount.
func serverOf(mountpoint string) (pid int, err error) {
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		line, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		argv := bytes.Split(bytes.TrimSuffix(line, []byte{0}), []byte{0})
		if len(argv) > 2 && slices.Equal(argv[2], []byte("--foreground")) && string(argv[len(argv)-1]) == mountpoint {
			return strconv.Atoi(filepath.Base(filepath.Dir(name)))
		}
	}
	return 0, fmt.Errorf("nobody serves %s", mountpoint)
}
