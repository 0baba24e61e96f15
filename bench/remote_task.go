package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The shard that a task does, of as many as ImageNet has in the usual layout.
const taskNumber, taskShards = 77, 148

// remoteTask reports how long a task of an array takes from its start to its first command, and compares it with the same run
// over its shard alone. The shard is in an object store, with a sidecar; the others are only named.
func (b *bench) remoteTask(ctx context.Context) (*plan, error) {
	all := jpegs(125)
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
	shard := s.uri(fmt.Sprintf("in/jpegs-%04d.tar", taskNumber))
	_, _, err = execute(ctx, "", s.client(b.shardfs, "pack", name, "--write-index", "-o", shard)...)
	fifo := b.path("first")
	os.Remove(fifo)
	p.later(func() error { return os.Remove(fifo) })
	if err = errors.Join(err, unix.Mkfifo(fifo, 0o600)); err != nil {
		return nil, errors.Join(err, p.end())
	}
	array := []string{"--task", fmt.Sprint(taskNumber), s.uri(fmt.Sprintf("in/jpegs-{0000..%04d}.tar", taskShards-1))}
	run := func(command string, shards ...string) []string {
		argv := []string{b.shardfs, "run", "-j", "2", "-c", command}
		return append(append(argv, shards...), "-o", s.uri("out/{name}.tar"))
	}
	job := quote([]string{binary}) + " sample.jpg sample.ppm && rm sample.jpg"
	w := work{float64(all.samples), "samples"}
	p.trials = []*trial{
		s.untilFirst(timed("first", work{}), fifo, run("echo >"+quote([]string{fifo}), array...)),
		s.command(timed("by=hand", w), run(job, shard)...),
		s.command(timed("by=task", w), run(job, array...)...),
	}
	for _, t := range p.trials {
		t.program = true
		t.prepare = func() error { return errors.Join(b.forget(), os.RemoveAll(s.path("out")), settle()) }
	}
	return p, nil
}

// untilFirst returns a trial that runs shardfs as a client of the store, until its first command has written to a FIFO. What
// follows is not timed.
func (s *objectStore) untilFirst(f *figure, fifo string, argv []string) *trial {
	return measured(f, quote(argv), func(ctx context.Context) (float64, error) {
		in, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			return 0, err
		}
		defer in.Close()
		begun, first := time.Now(), make(chan float64, 1)
		go func() {
			in.Read(make([]byte, 1))
			first <- time.Since(begun).Seconds()
		}()
		if _, _, err := execute(ctx, "", s.client(argv...)...); err != nil {
			return 0, err
		}
		return <-first, nil
	})
}
