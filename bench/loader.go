package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed loader.py
var loaderScript []byte

// loaderEpochs is how many epochs a loader is measured for.
const loaderEpochs = 3

// loader compares a data loader of four processes that reads samples in random order from a new mount with one that
// reads tars from their start to their end: by tarfile alone, and by WebDataset where it is installed.
func (b *bench) loader(ctx context.Context) (*plan, error) {
	const shards = 100
	s := photos(2_000)
	s.name = "photos-2000.tar"
	one, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	many, err := b.parts(ctx, s, shards)
	if err != nil {
		return nil, err
	}
	gz, err := b.compressed(ctx, s)
	if err != nil {
		return nil, err
	}
	script := b.path("loader.py")
	if err := os.WriteFile(script, loaderScript, 0o644); err != nil {
		return nil, err
	}
	p := new(plan)
	p.later(func() error { return os.Remove(script) })
	load := func(ctx context.Context, mode string, paths ...string) ([]float64, error) {
		return epochs(ctx, s.bodies(), append([]string{"python3", script, mode, fmt.Sprint(loaderEpochs)}, paths...))
	}
	mounted := func(shards, name string, flags ...string) *trial {
		return &trial{
			command: quote(b.mounting(name, flags...)) + "\npython3 loader.py files", program: true,
			figures: epochFigures(shards+"/in=mount", s),
			run: func(ctx context.Context) ([]float64, error) {
				m, err := b.mount(ctx, name, flags...)
				if err != nil {
					return nil, err
				}
				values, err := load(ctx, "files", m.dir)
				return values, errors.Join(err, m.close())
			},
		}
	}
	tars := func(shards, by string, names ...string) *trial {
		return &trial{
			command: "python3 loader.py " + by + " " + quote(names[:1]) + " ...",
			figures: epochFigures(shards+"/in="+by, s),
			run:     func(ctx context.Context) ([]float64, error) { return load(ctx, by, names...) },
		}
	}
	pattern := strings.TrimSuffix(many[0], "0000.tar") + fmt.Sprintf("{0000..%04d}.tar", shards-1)
	p.trials = []*trial{
		mounted("shards=many", pattern, "-r"), tars("shards=many", "tar", many...),
		mounted("shards=one", one), tars("shards=one", "tar", one),
		mounted("shards=one-gz", gz, "-r"),
	}
	if exec.CommandContext(ctx, "python3", "-c", "import webdataset.tariterators").Run() == nil {
		p.trials = append(p.trials, tars("shards=many", "webdataset", many...), tars("shards=one", "webdataset", one))
	} else {
		note("Loader: no webdataset for python3 (PYTHONPATH): left out")
	}
	return p, nil
}

// epochFigures returns a figure for each epoch.
func epochFigures(name string, s drawn) (list []*figure) {
	for epoch := range loaderEpochs {
		w := work{float64(s.samples), "samples"}
		list = append(list, timed(fmt.Sprintf("%s/epoch=%d", name, epoch+1), w))
	}
	return list
}

// epochs runs a loader and returns the seconds of its epochs.
func epochs(ctx context.Context, bytes int64, argv []string) ([]float64, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(argv[:3]), err)
	}
	var values []float64
	for line := range strings.Lines(string(out)) {
		var seconds float64
		var read int64
		if _, err := fmt.Sscan(line, &seconds, &read); err != nil || read != bytes {
			return nil, fmt.Errorf("%s: %q, want %d bytes: %w", quote(argv[:3]), line, bytes, err)
		}
		values = append(values, seconds)
	}
	return values, nil
}

// parts draws the samples of a shard as several shards, unless an earlier run has left them, and returns their names.
func (b *bench) parts(ctx context.Context, s drawn, n int) (names []string, err error) {
	dir := b.shared(fmt.Sprintf("photos-in-%d", n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	each := s.samples / n
	for i := range n {
		part := drawn{samples: each, members: func(k int) []member { return s.members(i*each + k) }}
		name := filepath.Join(dir, fmt.Sprintf("photos-%04d.tar", i))
		if info, err := os.Stat(name); err != nil || info.Size() != part.size() {
			if err := create(name, func(w io.Writer) error { return part.write(ctx, w) }); err != nil {
				return nil, err
			}
		}
		if err := warm(name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
