package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// packFolder compares packing a folder of small files with tar, which gets their names as a sorted list. The tar is as
// long, but not synced to the disk.
func (b *bench) packFolder(ctx context.Context) (*plan, error) {
	const files, size = 100_000, 1_000
	folder, err := b.smallFiles(files, size)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	out := b.path("out.tar")
	p.later(func() error { return os.RemoveAll(out) })
	w := work{files, "files"}
	p.trials = []*trial{
		b.command(timed("by=shardfs", w), "pack", folder, "-o", out),
		command(timed("by=tar", w), "tar", "-C", folder, "-cf", out, "-T", folder+".list"),
	}
	const length = (files*(block+(size+block-1)/block*block) + trailer + 10239) / 10240 * 10240
	for _, t := range p.trials {
		withOutput(t, out, func() error {
			info, err := os.Stat(out)
			if err == nil && info.Size() != length {
				err = fmt.Errorf("%s has %d bytes, want %d", out, info.Size(), length)
			}
			return err
		})
		remove := t.prepare
		t.prepare = func() error {
			err := remove()
			syscall.Sync()
			return err
		}
	}
	return p, nil
}

// smallFiles makes a folder of files, two a sample, unless an earlier run has left it, and beside it a file .list with
// their sorted names. It returns the folder.
func (b *bench) smallFiles(n, size int) (string, error) {
	folder := b.shared(fmt.Sprintf("files-%d", n))
	list := folder + ".list"
	if _, err := os.Stat(list); err == nil {
		return folder, nil
	}
	note("making %d files in %s", n, folder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	noise := rand.NewChaCha8([32]byte{})
	content := make([]byte, size)
	var names strings.Builder
	for i := range n {
		noise.Read(content)
		name := fmt.Sprintf("%06d.%s", i/2, []string{"json", "txt"}[i%2])
		names.WriteString(name + "\n")
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return "", err
		}
	}
	return folder, os.WriteFile(list, []byte(names.String()), 0o644)
}
