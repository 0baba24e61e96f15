package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// comparison has the figures of two builds.
type comparison []compared

type compared struct {
	name      string
	new, base *figure
}

// measure runs one measure and writes its figures. With base, it also runs every trial of the shardfs binary with the
// other binary.
func (c *comparison) measure(ctx context.Context, w io.Writer, m measure, count int, b, base *bench) (err error) {
	p, err := m.plan(b, ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	var q *plan
	if base != nil {
		if q, err = m.plan(base, ctx); err != nil {
			return fmt.Errorf("with -base: %w", err)
		}
		defer func() { err = errors.Join(err, q.end()) }()
	}
	if err := rounds(ctx, m.name, count, p, q); err != nil {
		return err
	}
	if err := p.write(w, m.name, "new", b); err != nil || q == nil {
		return err
	}
	for i, t := range p.trials {
		for j, f := range t.figures {
			if t.program {
				*c = append(*c, compared{m.name + "/" + f.name, f, q.trials[i].figures[j]})
			}
		}
	}
	return q.write(w, m.name, "base", base)
}

// write writes the ratio of the two builds for each figure, above 1 if the new one is faster or smaller.
func (c comparison) write(w io.Writer) error {
	for _, f := range c {
		ratio := medianRatio(f.base.values, f.new.values)
		if _, err := fmt.Fprintf(w, "# base/new %.3f %s\n", ratio, f.name); err != nil {
			return err
		}
	}
	return nil
}
