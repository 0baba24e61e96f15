package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// remoteRun compares a command that does nothing, over every sample of a remote shard and packed again, with the slower
// one of the same over the local shard and the line.
func (b *bench) remoteRun(ctx context.Context) (*plan, error) {
	s := photos(10_000)
	local, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	out := b.path("out.tar")
	p.later(func() error { return os.RemoveAll(out) })
	w := work{float64(s.samples), "samples"}
	args := []string{"run", "-j", "2", "-c", "true", "-o", out}
	run := func(label, shard string) *trial {
		t := b.command(timed(label, w), append(args, shard)...)
		withOutput(t, out, func() error { return sameNames(out, local) })
		remove := t.prepare
		t.prepare = func() error { return errors.Join(remove(), b.forget()) }
		t.command = n.shown(t.command)
		return t
	}
	p.trials = append(n.bounded("", w, run("by=local", local), n.bare(timed("by=line", w), s, 16)),
		run("by=shardfs", n.url(s.name)))
	return p, nil
}

// bounded returns trials with one more figure, name by=bound: the time of the slower one.
func (n *network) bounded(name string, w work, a, b *trial) []*trial {
	bound := timed(name+"by=bound", w)
	run := b.run
	b.figures = append(b.figures, bound)
	b.run = func(ctx context.Context) ([]float64, error) {
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		before := a.figures[0].values
		return append(values, max(values[0], before[len(before)-1])), nil
	}
	return []*trial{a, b}
}

// remoteMemory reports the memory of the server of a mount of many shards that are read at the same time.
func (b *bench) remoteMemory(ctx context.Context) (*plan, error) {
	const shards = 64
	s := photos(shards * 160)
	if _, err := b.parts(ctx, s, shards); err != nil {
		return nil, err
	}
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	url := n.url(fmt.Sprintf("photos-in-%d/photos-{0000..%04d}.tar", shards, shards-1))
	t := &trial{
		command: n.shown(quote(b.mounting(url, "-r"))) + "\n# read all samples of all shards, a reader each",
		program: true,
		figures: []*figure{timed("time", w), quantity("server/peak", "B")},
		prepare: b.forget,
		run: func(ctx context.Context) (values []float64, err error) {
			m, err := b.mount(ctx, url, "-r")
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, m.close()) }()
			took, err := readShards(ctx, m.dir, shards, s.bodies())
			if err != nil {
				return nil, err
			}
			weight, err := m.memory()
			return []float64{took, weight.peak}, err
		},
	}
	p.trials = []*trial{n.counting(t, s.size(), quantity("requests", "requests/GB"), quantity("bytes", "bytes/byte"))}
	return p, nil
}

// readShards reads all samples of the shards in a directory, a goroutine each.
func readShards(ctx context.Context, root string, shards int, want int64) (seconds float64, err error) {
	dirs, err := os.ReadDir(root)
	if err != nil {
		return 0, err
	}
	if len(dirs) != shards {
		return 0, fmt.Errorf("%s has %d directories, want %d", root, len(dirs), shards)
	}
	sizes, errs := make([]int64, shards), make([]error, shards)
	var all sync.WaitGroup
	start := time.Now()
	for i, dir := range dirs {
		all.Go(func() { sizes[i], errs[i] = readListed(ctx, filepath.Join(root, dir.Name())) })
	}
	all.Wait()
	seconds = time.Since(start).Seconds()
	var total int64
	for _, n := range sizes {
		total += n
	}
	if total != want {
		errs = append(errs, fmt.Errorf("%s has %d bytes, want %d", root, total, want))
	}
	return seconds, errors.Join(errs...)
}

// remoteCompressed compares reading all samples of a compressed remote shard in order, of which nothing is known, with
// the slower one of the same from a local file and the line.
func (b *bench) remoteCompressed(ctx context.Context) (*plan, error) {
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	for _, program := range [][]string{{"gzip", "-6"}, {"zstd", "-q"}} {
		suffix, s := ".gz", pictures()
		if program[0] == "zstd" { // which would find that the pictures repeat
			suffix, s = ".zst", photos(2_500)
			s.name = "photos-2500.tar"
		}
		if _, err := exec.LookPath(program[0]); err != nil {
			note("without %s: %v", suffix, err)
			continue
		}
		name, err := b.compressedBy(ctx, s, suffix, program...)
		if err != nil {
			return nil, errors.Join(err, p.end())
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, errors.Join(err, p.end())
		}
		file, label := filepath.Base(name), "format="+suffix[1:]+"/"
		w := work{float64(s.size()) / 1e6, "MB"}
		local := b.mountedFrom(name, s, "-r").visit(step{timed(label+"by=local", w), walkingAsListed(s.bodies())})
		local.prepare = b.forget
		line := n.bareOf(timed(label+"by=line", w), file, info.Size(), 16)
		p.trials = append(p.trials, n.bounded(label, w, local, line)...)
		p.trials = append(p.trials, n.counting(b.walkNew(n, s, file, timed(label+"by=shardfs", w)), info.Size(),
			quantity(label+"requests", "requests/GB"), quantity(label+"bytes", "bytes/byte")))
	}
	return p, nil
}
