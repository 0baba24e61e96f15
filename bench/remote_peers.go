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
	"syscall"
)

// otherClients returns the trials of other programs that read a remote file, without those that are not installed.
func (b *bench) otherClients(n *network, s drawn, w work) (trials []*trial) {
	if rclone, err := lookPath("rclone"); err != nil {
		note("without rclone as a peer: %v", err)
	} else {
		tar := task{"tar -xOf photos.tar >/dev/null, in", func(ctx context.Context, root string) (float64, error) {
			seconds, _, err := execute(ctx, root, "sh", "-c", `exec tar -xOf "$1" >/dev/null`, "sh", s.name)
			return seconds, err
		}}
		trials = append(trials, b.rcloneMounted(n, rclone).visit(step{timed("by=rclone-tar", w), tar}),
			b.rcloneMounted(n, rclone, "--vfs-read-chunk-size", "8M").visit(step{timed("by=rclone-tuned-tar", w), tar}))
	}
	const out = "/dev/shm/shardfs-bench-download"
	for _, argv := range [][]string{
		{"aria2c", "-q", "-x16", "-s16", "-k8M", "--file-allocation=none", "--allow-overwrite=true", "-d", "/",
			"-o", out, n.url(s.name)},
		{"axel", "-q", "-n", "16", "-o", out, n.url(s.name)},
	} {
		by := argv[0]
		if _, err := exec.LookPath(by); err != nil {
			note("without %s as a peer: %v", by, err)
			continue
		}
		t := command(timed("by="+by, w), argv...)
		t.command = n.shown(t.command)
		t.prepare = func() error { return errors.Join(os.RemoveAll(out), os.RemoveAll(out+".aria2")) }
		run := t.run
		t.run = func(ctx context.Context) ([]float64, error) {
			values, err := run(ctx)
			if info, failed := os.Stat(out); err == nil && (failed != nil || info.Size() != s.size()) {
				err = fmt.Errorf("%s: not the whole file", by)
			}
			return values, errors.Join(err, t.prepare())
		}
		trials = append(trials, t)
	}
	return trials
}

// rcloneMounted returns a place where rclone shows the server's files, without a cache, as its users would read a shard.
func (b *bench) rcloneMounted(n *network, rclone string, flags ...string) place {
	m := &mount{dir: b.path("rclonemnt"), ended: make(chan error, 1)}
	argv := slices.Concat([]string{rclone, "mount", "--config", "", "--read-only", "--vfs-cache-mode", "off",
		"--vfs-read-chunk-streams", "16"}, flags, []string{":http,url='http://" + n.addr + "/':", m.dir})
	enter := func(ctx context.Context) (func() (memory, error), error) {
		m.detach()
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return nil, err
		}
		m.server = exec.Command(argv[0], argv[1:]...)
		m.server.Stderr = &m.stderr
		m.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := m.server.Start(); err != nil {
			return nil, err
		}
		go func() { m.ended <- m.server.Wait() }()
		leave := func() (memory, error) {
			weight, err := m.memory()
			if out, failed := exec.Command("fusermount3", "-u", m.dir).CombinedOutput(); failed != nil {
				m.detach()
				err = errors.Join(err, fmt.Errorf("fusermount3 -u: %w\n%s", failed, bytes.TrimSpace(out)))
			}
			return weight, errors.Join(err, <-m.ended)
		}
		if err := m.ready(ctx); err != nil {
			_, failed := leave()
			return nil, errors.Join(err, failed)
		}
		return leave, nil
	}
	argv[0] = filepath.Base(argv[0])
	made := n.shown(quote(argv))
	argv[0] = rclone
	return place{root: m.dir, made: made, enter: enter}
}
