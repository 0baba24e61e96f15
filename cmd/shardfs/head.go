package main

import (
	"context"
	"errors"
	"iter"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// headFlags are the flags of head.
type headFlags struct {
	count  int
	random bool
	seed   uint64
	long   bool
	dir    string
	output outputFlags
	from   shardFlags
}

func newHead(g *globals) *cobra.Command {
	var o headFlags
	cmd := &cobra.Command{
		Use:   "head [flags] SHARD|MOUNTPOINT|DIR|-...",
		Short: "Take the first samples, or some at random",
		Long: `Head lists the keys of the first ten samples, or of N; of several shards, those of
all together. With --random it draws them from all samples, each as likely as any
other, and keeps their order; the same shards and seed give the same samples.
-o writes them to a shard instead of listing them, byte for byte as they are, and
-d to a new directory of sample directories as a mount shows them, which run and
pack take. The first samples are found without indexing the rest of a shard.`,
		Example: `  shardfs head -l train-0000.tgz
  shardfs head -n 100 -o first.tar 'train-{0000..0147}.tgz'
  shardfs head --random --seed 7 -n 100 -o some.tar 'train-{0000..0147}.tgz'
  shardfs head --random -n 20 -d look train.tar && ls look`,
		Args:              arguments(1, many),
		ValidArgsFunction: completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd.Flags(), g.JSON); err != nil {
				return err
			}
			ctx, stop := pipe.WhileRead(cmd.Context(), os.Stdout)
			defer stop()
			return o.run(ctx, g, args)
		},
	}
	o.output.add(pflag.NewFlagSet("", pflag.ContinueOnError)) // for the defaults
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVarP(&o.count, "count", "n", 10, "take `N` samples")
	flags.BoolVar(&o.random, "random", false, "draw them at random")
	flags.Uint64Var(&o.seed, "seed", 0, "seed `S` for --random")
	flags.BoolVarP(&o.long, "long", "l", false, "list members with size and time")
	flags.StringVarP(&o.output.name, "output", "o", "", "write them to a shard `OUT`, or - for standard output")
	flags.IntVar(&o.output.level, "level", 1, "compression level `N` of OUT: "+outputLevels())
	flags.StringVar(&o.output.ifExists, "if-exists", "", "`HOW` if OUT exists: overwrite (default), skip, fail")
	flags.StringVar(&o.output.equal, "on-duplicate-key", "error", "`HOW` if two have a key: error, keep, rename")
	flags.StringVarP(&o.dir, "directory", "d", "", "write them to a new directory `DIR`")
	o.from.add(flags, g)
	o.output.flags = flags
	return cmd
}

// check returns an error for the first mistake in the flags.
func (o *headFlags) check(flags *pflag.FlagSet, json bool) error {
	ofOutput := flags.Changed("level") || flags.Changed("if-exists") || flags.Changed("on-duplicate-key")
	return firstBroken([]rule{
		{o.count < 1, "--count: at least 1"},
		{flags.Changed("seed") && !o.random, "--seed is for --random"},
		{o.output.name != "" && o.dir != "", "-o and -d exclude each other"},
		{(o.output.name != "" || o.dir != "") && (o.long || json), "-l and --json are for listing, without -o and -d"},
		{o.output.name == "" && ofOutput, "--level, --if-exists and --on-duplicate-key are for -o"},
	})
}

func (o *headFlags) run(ctx context.Context, g *globals, args []string) error {
	names, err := o.from.names(ctx, args, false)
	if err != nil {
		return err
	}
	f, out := written(), output.Options{}
	if o.output.name != "" {
		if out, err = o.output.options(g); err != nil {
			return err
		}
		if o.output.pattern != nil {
			return ui.Usagef("-o %s: head writes one output: pack --count N writes one for each shard", o.output.name)
		}
		if err := out.Claim(ctx, f, "-o"); err != nil {
			return err
		}
	}
	if o.dir != "" {
		f.Own("-d "+o.dir, o.dir)
		f.WriteDir("-d "+o.dir, o.dir)
	}
	r := reads{args: args, names: names, from: o.from.looking()}
	if err := r.check(f); err != nil {
		return err
	}
	s := o.samples(ctx, names)
	defer s.Close()
	switch {
	case o.output.name != "":
		out.Pack.DropOutside, out.Pack.OwnEnd, out.Confirm = true, true, s.Confirm
		out.Pack.Reordered = o.random // a shard may be closed when its samples are written, so nothing after them is
		if len(names) > 1 {
			out.Pack.Inputs = source.Names(names)
		}
		return output.Write(ctx, out, func(w *pack.Writer) error { return pack.Pack(ctx, w, s.samples) })
	case o.dir != "":
		n, err := writeSamples(ctx, g.UI, o.dir, s.samples, s.Confirm)
		if err == nil {
			g.Note("%s: %s", o.dir, ui.Count(n, "sample"))
		}
		return err
	}
	return errors.Join(s.list(g.UI, o.long), s.Confirm(ctx))
}

// headSamples are the samples that are wanted, and where they are.
type headSamples struct {
	*source.List
	samples iter.Seq2[pack.Sample, error]
	names   []source.Name
	numbers []int // of those that were drawn, among all; nil: they are the first ones
	first   []int // number of the first sample of each name, among all
}

// samples returns the samples that are wanted. To find the first ones, a shard is indexed only as far.
func (o *headFlags) samples(ctx context.Context, names []source.Name) *headSamples {
	from := o.from.looking()
	from.Shard.Growing = !o.random && !o.from.truncated
	s := &headSamples{List: source.NewList(names, from), names: names}
	s.Partial, s.Buffered = true, o.random
	all := s.counted(s.Samples(ctx))
	if o.random {
		s.samples = pack.Draw(all, o.count, o.seed, &s.numbers)
		return s
	}
	c := pack.Choice{Count: o.count, AllowEmpty: o.output.name == ""}
	s.samples = pack.NewChooser(source.NameOfAll(names), c).Apply(all)
	return s
}

// counted yields all samples, and notes where those of a name begin.
func (s *headSamples) counted(samples iter.Seq2[pack.Sample, error]) iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		n := 0
		for sample, err := range samples {
			if err == nil && !sample.Empty() {
				for len(s.first) <= sample.Base.Input {
					s.first = append(s.first, n)
				}
				n++
			}
			if !yield(sample, err) {
				return
			}
		}
	}
}

// index returns the number in its shard of the sample that was yielded after so many others.
func (s *headSamples) index(sample *pack.Sample, before int) int {
	if s.numbers != nil {
		before = s.numbers[before]
	}
	return before - s.first[sample.Base.Input]
}

// list lists samples as ls does.
func (s *headSamples) list(u *ui.UI, long bool) error {
	lines := lsOptions{long: long, apart: "--json tells names apart"}
	listed := 0
	for sample, err := range s.samples {
		if err != nil {
			return err
		}
		if !sample.Empty() {
			l := newListedSample(sample.Key, s.index(&sample, listed))
			l.Members = listMembers(&sample)
			if len(s.names) > 1 {
				t := ui.NewJSONText(s.names[sample.Base.Input].String())
				lines.shard = ofShard{t.Text, t.Hex}
			}
			listed++
			if err := lines.print(u, l, false); err != nil {
				return err
			}
		}
		if sample.Free != nil {
			if err := sample.Free(); err != nil {
				return err
			}
		}
	}
	if listed == 0 {
		u.Note("%s: no samples", source.NameOfAll(s.names))
	}
	return nil
}
