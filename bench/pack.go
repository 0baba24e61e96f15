package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// pack compares packing a mount nobody changed with copying the shard. Pack syncs its output to the disk before it gives
// it its name; cp alone leaves it in the page cache.
func (b *bench) pack(ctx context.Context) (rows []row, err error) {
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	m, err := b.mount(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	out := b.path("out.tar")
	defer os.Remove(out)

	ours := command(b.shardfs, "pack", m.dir, "-o", out)
	copied := command("cp", name, out)
	synced := command("sh", "-c", `cp "$1" "$2" && sync -f "$2"`, "sh", name, out)
	sides := []*side{ours, copied, synced}
	for _, s := range sides {
		withOutput(s, out, func() error { return sameBytes(out, name) })
		remove := s.prepare
		s.prepare = func() error {
			// Nobody waits for what another has written, or finds its unwritten pages free.
			syscall.Sync()
			err := remove()
			syscall.Sync()
			return err
		}
	}
	if err := b.interleave(ctx, "pack", sides...); err != nil {
		return nil, err
	}
	w := work{float64(s.size()) / 1e6, "MB"}
	return []row{
		versus("pack 1 GB, unchanged, synced to disk; peer: cp, not synced", w, ours, copied, 0.7),
		versus("the same; peer: cp, synced", w, ours, synced, 0),
	}, nil
}

// sameBytes says whether two files are equal.
func sameBytes(got, want string) error {
	a, err := os.Open(got)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(want)
	if err != nil {
		return err
	}
	defer b.Close()
	ra, rb := bufio.NewReaderSize(a, 1<<20), bufio.NewReaderSize(b, 1<<20)
	for {
		x, errA := ra.Peek(1 << 20)
		y, errB := rb.Peek(1 << 20)
		if string(x) != string(y) {
			return fmt.Errorf("%s is not the same as %s", got, want)
		}
		if errA == io.EOF && errB == io.EOF {
			return nil
		}
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		ra.Discard(len(x))
		rb.Discard(len(y))
	}
}
