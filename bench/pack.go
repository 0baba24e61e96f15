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

// pack compares packing an unchanged mount with copying the shard. Pack syncs its output to the disk before it renames
// it; cp alone leaves it in the page cache.
func (b *bench) pack(ctx context.Context) (*plan, error) {
	s := photos(10_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	m, err := b.mount(ctx, name)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	p.later(m.close)
	out := b.path("out.tar")
	p.later(func() error { return os.RemoveAll(out) })
	w := work{float64(s.size()) / 1e6, "MB"}
	p.trials = []*trial{
		b.command(timed("by=shardfs", w), "pack", m.dir, "-o", out),
		command(timed("by=cp", w), "cp", name, out),
		command(timed("by=cp-sync", w), "sh", "-c", `cp "$1" "$2" && sync -f "$2"`, "sh", name, out),
	}
	for _, t := range p.trials {
		withOutput(t, out, func() error { return sameBytes(out, name) })
		remove := t.prepare
		t.prepare = func() error {
			syscall.Sync() // so that dirty pages of one trial do not affect the next
			err := remove()
			syscall.Sync()
			return err
		}
	}
	return p, nil
}

// sameBytes checks that two files are equal.
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
