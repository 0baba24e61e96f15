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
	"strings"
)

// mountMillion reports the time to mount an indexed shard of a million members, read-only and writable, until the first
// line of a listing is there, and the memory of the server then.
func (b *bench) mountMillion(ctx context.Context) (*plan, error) {
	s := texts(500_000)
	if err := b.indexInCache(ctx, s); err != nil {
		return nil, err
	}
	mnt := b.path("mnt")
	resident := func() (float64, error) {
		server, err := serverOf(mnt)
		if err != nil {
			return 0, err
		}
		mem, err := memoryOf(server)
		return mem.now, err
	}
	first := func(figure, flags string, weight func() (float64, error)) *trial {
		return b.inBackground(s, timed(figure, work{}), weight, "sh", "-ec",
			`"$1" mount `+flags+` "$2" "$3"; ls -U "$3" | head -1`, "sh", b.shardfs, b.shared(s.name), mnt)
	}
	t := first("first-line", "-r", resident)
	t.figures = append(t.figures, quantity("server/resident", "B"))
	return &plan{trials: []*trial{t, first("first-line/mount=writable", "", nil)}}, nil
}

// mountPacked reports the time to mount a compressed output of pack, without an index file, until mount returns.
func (b *bench) mountPacked(ctx context.Context) (*plan, error) {
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	for _, suffix := range []string{".tar.gz", ".tar.zst"} {
		packed := b.path("packed" + suffix)
		p.later(func() error { return os.Remove(packed) })
		if err := b.packTo(ctx, name, packed); err != nil {
			return nil, errors.Join(err, p.end())
		}
		p.trials = append(p.trials,
			b.mountingAfresh(s, timed("format="+suffix[5:]+"/mount=writable", work{}), packed),
			b.mountingAfresh(s, timed("format="+suffix[5:]+"/mount=read-only", work{}), packed, "-r"))
	}
	return p, nil
}

// mountingAfresh returns a trial that mounts a shard with an empty cache.
func (b *bench) mountingAfresh(s drawn, f *figure, name string, flags ...string) *trial {
	t := b.inBackground(s, f, nil, slices.Concat([]string{b.shardfs, "mount"}, flags, []string{name, b.path("mnt")})...)
	prepare := t.prepare
	t.prepare = func() error { return errors.Join(prepare(), os.RemoveAll(b.shared("cache/shardfs"))) }
	return t
}

// packTo packs a shard unchanged.
func (b *bench) packTo(ctx context.Context, shard, out string) (err error) {
	note("packing %s", out)
	m, err := b.mount(ctx, shard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	_, _, err = execute(ctx, "", b.shardfs, "pack", m.dir, "-o", out)
	return err
}

// inBackground returns a trial that runs a command which leaves a shard mounted. Afterwards weight, if not nil, returns
// one more value, and the last sample is compared with what was drawn; then the shard is unmounted. Only the command is
// timed.
func (b *bench) inBackground(s drawn, f *figure, weight func() (float64, error), argv ...string) *trial {
	m := &mount{dir: b.path("mnt"), shardfs: b.shardfs}
	return &trial{
		command: quote(argv), program: true, figures: []*figure{f},
		prepare: func() error {
			m.detach() // left by a bench that was killed
			return os.MkdirAll(m.dir, 0o755)
		},
		run: func(ctx context.Context) (values []float64, err error) {
			seconds, _, err := execute(ctx, "", argv...)
			values = append(values, seconds)
			if err == nil && weight != nil {
				var x float64
				x, err = weight()
				values = append(values, x)
			}
			if err == nil {
				err = s.sameText(m.dir, s.samples-1)
			}
			if out, failed := exec.Command(b.shardfs, "umount", m.dir).CombinedOutput(); failed != nil {
				err = errors.Join(err, fmt.Errorf("umount %s: %w\n%s", m.dir, failed, bytes.TrimSpace(out)))
				m.detach()
			}
			return values, err
		},
	}
}

// sameText checks the text files of a sample in a directory that shows the shard.
func (s drawn) sameText(root string, i int) error {
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

// serverOf returns the process that serves a mount: it holds the lock of the scratch directory, which is the source of
// the mount.
func serverOf(mountpoint string) (pid int, err error) {
	source, err := exec.Command("findmnt", "-n", "-o", "SOURCE", "--mountpoint", mountpoint).Output()
	if err != nil {
		return 0, fmt.Errorf("findmnt %s: %w", mountpoint, err)
	}
	scratch := strings.TrimPrefix(string(bytes.TrimSpace(source)), "shardfs:") // of overlayfs
	scratch = strings.TrimSuffix(scratch, "/image/shardfs.erofs")              // of EROFS
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, err
	}
	for _, link := range links {
		if target, _ := os.Readlink(link); target == filepath.Join(scratch, "lock") {
			return strconv.Atoi(strings.Split(link, "/")[2])
		}
	}
	return 0, fmt.Errorf("no process serves %s", mountpoint)
}
