package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// bzip2Pass compares the first pass over a .tar.bz2 with listing it by tar.
func (b *bench) bzip2Pass(ctx context.Context) (*plan, error) {
	s := prose(10_000)
	plain, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	name := plain + ".bz2"
	if _, err := os.Stat(name); err != nil {
		note("compressing %s", name)
		err := create(name, func(w io.Writer) error {
			cmd := exec.CommandContext(ctx, "bzip2", "-c", plain)
			cmd.Stdout = w
			return cmd.Run()
		})
		if err != nil {
			return nil, fmt.Errorf("bzip2 %s: %w", plain, err)
		}
	}
	if err := warm(name); err != nil {
		return nil, err
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	return &plan{trials: []*trial{
		metered(b.command(timed("by=shardfs", w), "index", "--index", "none", name), timed("by=shardfs/cpu", w)),
		metered(command(timed("by=tar", w), "tar", "-tjf", name), timed("by=tar/cpu", w)),
	}}, nil
}
