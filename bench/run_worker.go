package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// answering is a worker that does nothing.
const answering = `
import sys
for line in sys.stdin:
    print("ok", flush=True)
`

// runWorker compares workers that get one sample after the other with starting an interpreter for each sample.
func (b *bench) runWorker(ctx context.Context) (*plan, error) {
	s := thumbs(1_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	root, err := b.extract(ctx, s)
	if err != nil {
		return nil, err
	}
	// The program python3 may be a script that looks for an interpreter.
	out, err := exec.CommandContext(ctx, "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return nil, fmt.Errorf("python3: %w", err)
	}
	python := strings.TrimSpace(string(out))
	worker := b.path("worker.py")
	if err := os.WriteFile(worker, []byte(answering), 0o644); err != nil {
		return nil, err
	}
	p := new(plan)
	p.later(func() error { return os.Remove(worker) })
	w := work{float64(s.samples), "samples"}
	p.trials = []*trial{
		b.command(timed("by=worker", w), "run", "--worker", "-j", "2", name, "--", python, worker),
		b.command(timed("by=batch", w), "run", "--batch", "50", "-j", "2", name, "--", python, "-c", "pass"),
		b.command(timed("by=run", w), "run", "-j", "2", name, "--", python, "-c", "pass"),
		command(timed("by=xargs", w), "sh", "-euc",
			`cd "$1"; ls | xargs -P2 -I{} sh -c 'cd "$1"; exec "$0" -c pass' "$2" {}`, "sh", root, python),
	}
	return p, nil
}
