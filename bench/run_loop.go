package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// looping returns a trial that starts a command in each directory of a shard's samples, extracted to root, by several
// workers: the obvious loop in Go.
func looping(f *figure, s drawn, root string, workers int, argv ...string) *trial {
	command := fmt.Sprintf("# a loop in Go, workers: %d; in each directory of %s: %s", workers, root, quote(argv))
	return measured(f, command, func(ctx context.Context) (float64, error) {
		path, err := exec.LookPath(argv[0])
		if err != nil {
			return 0, err
		}
		seconds, _, err := share(ctx, workers, s.samples, func(i int, _ []byte) (int, error) {
			cmd := exec.Command(path, argv[1:]...)
			cmd.Dir = filepath.Join(root, fmt.Sprintf("%06d", i))
			if err := cmd.Run(); err != nil {
				return 0, fmt.Errorf("%s in %s: %w", quote(argv), cmd.Dir, err)
			}
			return 0, nil
		})
		return seconds, err
	})
}
