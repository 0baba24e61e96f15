package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Shards of RemotePublished, as many as ImageNet has in the usual layout, and samples in each.
const (
	publishedShards  = 148
	publishedSamples = 5
)

// remotePublished reports what a run over the shards of an object store costs whose outputs are all published.
func (b *bench) remotePublished(ctx context.Context) (*plan, error) {
	name, err := b.draw(ctx, thumbs(publishedShards*publishedSamples))
	if err != nil {
		return nil, err
	}
	p := new(plan)
	s, err := b.serveObjects(ctx, p, fastStore)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	argv := []string{b.shardfs, "run", "-j", "2", "-c", "true",
		s.uri(fmt.Sprintf("in/thumbs-{0000..%04d}.tar", publishedShards-1)), "-o", s.uri("out/{name}.tar")}
	if err = b.splitInto(ctx, s, name, publishedSamples, s.uri("in/thumbs-%04d.tar")); err == nil {
		_, _, err = execute(ctx, "", s.client(argv...)...)
	}
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	published, err := s.state("out")
	if err == nil && len(published) != publishedShards {
		err = fmt.Errorf("%d of %d shards are published", len(published), publishedShards)
	}
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	t := s.command(timed("time", work{publishedShards, "shards"}), argv...)
	t.program = true
	t.figures = append(t.figures, quantity("requests", "requests/shard"))
	run := t.run
	t.run = func(ctx context.Context) ([]float64, error) {
		before, err := s.requests()
		if err != nil {
			return nil, err
		}
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		after, err := s.requests()
		if now, failed := s.state("out"); failed != nil || fmt.Sprint(now) != fmt.Sprint(published) {
			err = errors.Join(err, failed, errors.New("a run over published shards has changed them"))
		}
		return append(values, float64(after-before)/publishedShards), err
	}
	p.trials = []*trial{t}
	return p, nil
}

// state returns names, sizes and times of the objects below a prefix.
func (s *objectStore) state(prefix string) (objects []string, err error) {
	files, err := filepath.Glob(s.path(prefix + "/*"))
	for _, name := range files {
		info, failed := os.Stat(name)
		if failed != nil {
			return nil, failed
		}
		objects = append(objects, fmt.Sprint(info.Name(), info.Size(), info.ModTime().UnixNano()))
	}
	return objects, err
}
