package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// errMissing means that outputs are not published.
var errMissing = errors.New("outputs are missing")

// publishedFlags are the flags of status over outputs.
type publishedFlags struct {
	output  string
	reports []string
	missing bool
	mark    bool
}

func (o *publishedFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringVarP(&o.output, "output", "o", "", "`OUT` of a run or pack: tell which outputs are there")
	flags.BoolVar(&o.missing, "missing", false, "print only the indexes of those that are not, for array jobs")
	flags.BoolVar(&o.mark, "mark", false, "write _SUCCESS beside the outputs if all are there")
	flags.StringArrayVar(&o.reports, "report", nil, "count failed samples in a `REPORT` of run --report, or one a task")
}

// check returns an error for a mistake in the flags.
func (o *publishedFlags) check(json bool) error {
	return firstBroken([]rule{
		{
			o.output == "" && (o.missing || o.mark || len(o.reports) > 0),
			"--missing, --mark and --report are for -o OUT",
		},
		{o.missing && json, "--missing and --json exclude each other"},
		{o.missing && o.mark, "--missing and --mark exclude each other"},
	})
}

// outputState is what status prints of an output.
type outputState struct {
	Index     *int    `json:"index,omitempty"` // absent if all shards go into one output
	Shard     *string `json:"shard,omitempty"`
	ShardHex  *string `json:"shard_hex,omitempty"`
	Output    *string `json:"output,omitempty"`
	OutputHex *string `json:"output_hex,omitempty"`
	Status    string  `json:"status"` // published, missing, or failed: missing, and something of it has failed
	Bytes     int64   `json:"bytes,omitempty"`
	Failed    int     `json:"failed,omitempty"` // samples, as reports tell
	Error     string  `json:"error,omitempty"`  // why a shard was given up, as they tell

	text string // the name of the output
}

// run prints which outputs are published.
func (o *publishedFlags) run(ctx context.Context, g *globals, args []string) error {
	states, err := o.states(ctx, g, args)
	if err != nil {
		return err
	}
	counts := make(map[string]int)
	var missing []int
	for i := range states {
		s := &states[i]
		if counts[s.Status]++; s.Status != "published" {
			missing = append(missing, i)
		}
		if o.missing {
			continue
		}
		if err := s.print(g.UI); err != nil {
			return err
		}
	}
	total := fmt.Sprintf("%s: %d published", ui.Count(len(states), "output"), counts["published"])
	for _, status := range []string{"missing", "failed"} {
		if counts[status] > 0 {
			total += fmt.Sprintf(", %d %s", counts[status], status)
		}
	}
	switch {
	case o.missing && len(missing) > 0:
		g.Note("%s", total)
		_, err = fmt.Fprintln(g.Out, output.IndexList(missing))
		return err
	case o.missing:
		return nil
	case !g.JSON:
		if _, err := fmt.Fprintln(g.Out, total); err != nil {
			return err
		}
	}
	switch {
	case len(missing) > 0:
		return ui.Reported(errMissing)
	case o.mark:
		return o.writeMark(ctx, g)
	}
	return nil
}

// markName returns the name of the mark that all outputs are there, which is in their directory.
func (o *publishedFlags) markName() (string, error) {
	object, query := store.CutQuery(o.output)
	dir := object[:strings.LastIndexByte(object, '/')+1]
	if strings.Contains(dir, "{") {
		return "", ui.Usagef("--mark: -o %s: the outputs are in many directories", store.Redact(o.output))
	}
	return dir + "_SUCCESS" + query, nil
}

// writeMark writes an empty file or object that says that all outputs are there, as those of Hadoop and Spark.
func (o *publishedFlags) writeMark(ctx context.Context, g *globals) error {
	name, err := o.markName()
	if err != nil {
		return err
	}
	shown := store.Redact(name)
	out, err := g.stores.Create(ctx, name, store.Options{Replace: true, Weak: func(why string) {
		g.WarnOnce("%s: %s", shown, why)
	}})
	if err == nil {
		err = out.Commit(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", shown, err)
	}
	g.Note("%s: written", shown)
	return nil
}

// states returns the states of all outputs of the shards that the arguments name, without opening a shard.
func (o *publishedFlags) states(ctx context.Context, g *globals, args []string) ([]outputState, error) {
	pattern, err := output.ParsePattern("-o", o.output)
	switch out := (output.Options{Name: o.output}); {
	case err != nil:
		return nil, err
	case !out.IsFile():
		return nil, ui.Usagef("-o %s: a stream is not published", pipe.Shown(o.output))
	case o.mark:
		if _, err := o.markName(); err != nil {
			return nil, err
		}
	case pattern == nil && o.missing:
		return nil, ui.Usagef("--missing: one output has no indexes: -o has neither {name} nor {index}")
	}
	shards, err := source.Expand(ctx, g.stores, args)
	if err != nil {
		return nil, err
	}
	outputs := []string{o.output}
	if pattern != nil {
		if outputs, err = pattern.Outputs(shards); err != nil {
			return nil, err
		}
	}
	failures, err := o.failures(ctx, g.stores, shards)
	if err != nil {
		return nil, err
	}
	found, err := output.Published(ctx, g.stores, outputs)
	if err != nil {
		return nil, err
	}
	states := make([]outputState, len(outputs))
	names := make([]string, len(shards)) // as reports have them
	for i, shard := range shards {
		names[i] = source.Shown(shard)
	}
	for i, name := range outputs {
		of := names
		if pattern != nil {
			of = names[i : i+1]
		}
		if len(shards) == 1 {
			of = []string{names[0], ""} // a run over one shard does not name it
		}
		states[i] = newOutputState(name, found[i], failures.Of(of))
		if pattern != nil {
			shard := ui.NewJSONText(names[i])
			states[i].Index, states[i].Shard, states[i].ShardHex = &i, shard.Text, shard.Hex
		}
		if found[i] != nil && found[i].Size == 0 {
			g.Warn("%s: is empty, and so no shard: remove it", states[i].text)
		}
	}
	return states, nil
}

// failures reads the reports. Of those that a pattern names, as those of the tasks of an array, some may not be there.
func (o *publishedFlags) failures(ctx context.Context, st store.Store, shards []string) (job.Failures, error) {
	all := make(job.Failures)
	for _, report := range o.reports {
		names, err := reportNames(ctx, st, report, shards)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := all.Read(ctx, st, name); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// reportNames returns the name of a report, or those that are there of a pattern.
func reportNames(ctx context.Context, st store.Store, report string, shards []string) (there []string, err error) {
	pattern, err := output.ParsePattern("--report", report)
	if pattern == nil {
		return []string{report}, err
	}
	names, err := pattern.Outputs(shards)
	if err != nil {
		return nil, err
	}
	found, err := output.Published(ctx, st, names)
	for i, info := range found {
		if info != nil {
			there = append(there, names[i])
		}
	}
	return there, err
}

// newOutputState returns the state of an output that is there, or for which info is nil, and of what has failed for it.
func newOutputState(name string, info *store.Info, failed job.Failure) outputState {
	s := outputState{Status: "published", Failed: failed.Samples, Error: failed.Error, text: store.Redact(name)}
	shown := ui.NewJSONText(s.text)
	s.Output, s.OutputHex = shown.Text, shown.Hex
	switch {
	case info != nil:
		s.Bytes = info.Size
	case failed != job.Failure{}:
		s.Status = "failed"
	default:
		s.Status = "missing"
	}
	return s
}

// print prints the state as JSON or, if there is something to say, as a line of text.
func (s *outputState) print(u *ui.UI) error {
	if u.JSON {
		return u.Print(s)
	}
	text := s.Status + " " + ui.Printable(s.text)
	switch {
	case s.Error != "":
		text += ": " + ui.Printable(s.Error)
	case s.Failed > 0:
		text += ": " + ui.Count(s.Failed, "sample") + " failed"
	case s.Status == "published":
		return nil
	}
	_, err := fmt.Fprintln(u.Out, text)
	return err
}
