package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
)

// remoteJob compares the conversion of RunConvert over the shards of an object store, back to it, with the same over
// local shards, and their memory.
func (b *bench) remoteJob(ctx context.Context) (*plan, error) {
	const shards, samples = 4, 125
	all := jpegs(shards * samples)
	name, err := b.draw(ctx, all)
	if err != nil {
		return nil, err
	}
	binary, err := b.build(ctx, "examples/jpg2ppm")
	if err != nil {
		return nil, err
	}
	p := new(plan)
	s, err := b.serveObjects(ctx, p, fastStore)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	in, out := b.path("job"), b.path("job-out")
	p.later(func() error { return errors.Join(os.RemoveAll(in), os.RemoveAll(out)) })
	err = errors.Join(os.RemoveAll(in), os.MkdirAll(in, 0o755),
		b.splitInto(ctx, nil, name, samples, filepath.Join(in, "jpegs-%04d.tar")),
		b.splitInto(ctx, s, name, samples, s.uri("in/jpegs-%04d.tar")))
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	pattern := fmt.Sprintf("/jpegs-{0000..%04d}.tar", shards-1)
	job := quote([]string{binary}) + " sample.jpg sample.ppm && rm sample.jpg"
	run := func(from, to string) []string {
		return []string{b.shardfs, "run", "-j", "2", "-c", job, from + pattern, "-o", to + "/{name}.tar"}
	}
	w := work{float64(all.samples), "samples"}
	local := metered(peaking("by=local", w, run(in, out), nil), timed("by=local/cpu", w))
	local.prepare = func() error {
		return errors.Join(b.forget(), os.RemoveAll(out), os.MkdirAll(out, 0o755), settle())
	}
	checked(local, shards, func(shard string) error {
		return sameAsPPM(filepath.Join(out, shard), filepath.Join(in, shard))
	})
	remote := metered(peaking("by=shardfs", w, run(s.uri("in"), s.uri("out")), s), timed("by=shardfs/cpu", w))
	remote.prepare = func() error { return errors.Join(b.forget(), os.RemoveAll(s.path("out")), settle()) }
	checked(remote, shards, func(shard string) error {
		return sameBytes(s.path("out/"+shard), filepath.Join(out, shard))
	})
	withMore(remote, quantity("memory-over-local", "B"), local)
	p.trials = []*trial{local, remote}
	return p, nil
}

// peaking returns a trial that runs shardfs, as a client of a store if s is not nil. Its figures are time and peak memory.
func peaking(label string, w work, argv []string, s *objectStore) *trial {
	t := &trial{command: quote(argv), program: true, figures: []*figure{timed(label, w), quantity(label+"/peak", "B")}}
	if s != nil {
		argv = s.client(argv...)
	}
	t.run = func(ctx context.Context) ([]float64, error) {
		seconds, peak, err := execute(ctx, "", argv...)
		return []float64{seconds, float64(peak)}, err
	}
	return t
}

// checked checks each output of a trial after it.
func checked(t *trial, shards int, check func(shard string) error) {
	run := t.run
	t.run = func(ctx context.Context) ([]float64, error) {
		values, err := run(ctx)
		for i := 0; i < shards && err == nil; i++ {
			err = check(fmt.Sprintf("jpegs-%04d.tar", i))
		}
		return values, err
	}
}

// withMore adds a figure to a trial: how much more memory it takes at its peak than an earlier one.
func withMore(t *trial, f *figure, earlier *trial) {
	run := t.run
	t.figures = append(t.figures, f)
	t.run = func(ctx context.Context) ([]float64, error) {
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		before := earlier.figures[1].values
		return append(values, values[1]-before[len(before)-1]), nil
	}
}

// settle writes dirty pages of other trials to disk, and makes the bench's own peak memory, which counts as that of the
// programs it starts, what it needs now.
func settle() error {
	syscall.Sync()
	debug.FreeOSMemory()
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}
