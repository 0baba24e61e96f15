package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A measure compares shardfs with its peers at one task.
type measure struct {
	name string // such as Index; the figures' names begin with it
	plan func(*bench, context.Context) (*plan, error)
}

// A plan is a measure that is ready to run.
type plan struct {
	trials []*trial
	once   bool           // run one round only, because it takes long and varies little
	close  []func() error // clean up after the plan, last one first
}

// later registers a cleanup for when the plan has run.
func (p *plan) later(undo func() error) { p.close = append(p.close, undo) }

func (p *plan) end() error {
	var errs []error
	for _, undo := range slices.Backward(p.close) {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

// A trial is run once per round. It yields one value for each of its figures.
type trial struct {
	command string       // command or description, for the report
	program bool         // it runs the shardfs binary; with -base also the other one
	prepare func() error // runs before each round, not timed; may be nil
	run     func(context.Context) ([]float64, error)
	figures []*figure
}

// A figure is one quantity, with a value for each round.
type figure struct {
	name   string // after the measure's name, such as readers=1/pass=1/by=shardfs
	unit   string // unit of the values
	work   work   // amount of work done in that time; zero if the unit is not seconds
	values []float64
}

// seconds is the unit of times. They are reported in ns/op, as benchstat expects.
const seconds = "s"

// work is the amount of work in one round.
type work struct {
	amount float64
	unit   string
}

// timed returns a figure in seconds.
func timed(name string, w work) *figure { return &figure{name: name, unit: seconds, work: w} }

// quantity returns a figure in any other unit, such as B.
func quantity(name, unit string) *figure { return &figure{name: name, unit: unit} }

// measured returns a trial of one figure in seconds.
func measured(f *figure, command string, run func(context.Context) (float64, error)) *trial {
	return &trial{command: command, figures: []*figure{f}, run: func(ctx context.Context) ([]float64, error) {
		took, err := run(ctx)
		return []float64{took}, err
	}}
}

// rounds runs the trials of a plan in turn (A B A B ...), round by round, and collects the values. The trials of base,
// if any, run right after those with which they are compared.
func rounds(ctx context.Context, name string, count int, p, base *plan) error {
	if p.once {
		count = 1
	}
	for round := range count {
		note("%s: round %d of %d", name, round+1, count)
		for i, t := range p.trials {
			if err := t.once(ctx); err != nil {
				return err
			}
			if base == nil || !t.program {
				continue
			}
			if err := base.trials[i].once(ctx); err != nil {
				return fmt.Errorf("with -base: %w", err)
			}
		}
	}
	return nil
}

// once runs a trial for one round.
func (t *trial) once(ctx context.Context) error {
	if t.prepare != nil {
		if err := t.prepare(); err != nil {
			return err
		}
	}
	values, err := t.run(ctx)
	if err != nil {
		return err
	}
	if len(values) != len(t.figures) {
		return fmt.Errorf("%s: %d values for %d figures", t.command, len(values), len(t.figures))
	}
	for i, f := range t.figures {
		f.values = append(f.values, values[i])
	}
	return nil
}
