package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/pack"
)

// packFlags are the flags of pack.
type packFlags struct {
	choice
	with      []string
	joined    [][]string // the shards of each with
	classDirs bool
	captions  string
	keyColumn string
	fix       fixFlags
	order     orderFlags
	split     splitFlags
	from      shardFlags
	output    outputFlags
}

func newPack(g *globals) *cobra.Command {
	var o packFlags
	cmd := &cobra.Command{
		Use:   "pack [flags] SHARD|MOUNTPOINT|DIR|FOLDER|-... -o OUTPUT",
		Short: "Write samples, as they are now, to a tar",
		Long: `Pack writes the samples of mounts, sample directories, folders of files and
shards, one after the other, to a shard: each in its own order, new samples at
its end. Members without changes are copied byte for byte. A mount may stay in
use. The output gets its name only when it is complete; - is standard output.`,
		Example: `  shardfs pack mnt -o out.tar
  shardfs pack 'train-{0000..0003}.tgz' --shuffle 10000 -o mixed.tgz --level 6
  shardfs pack train.tar --with labels.tar --split-size 1G -o part-%06d.tar
  shardfs pack photos --captions captions.csv --key-column file -o photos.tar
  shardfs pack imagenet/train --class-dirs --shuffle 100000 -o train.tar
  shardfs pack directory-of-samples -o - | ssh host 'cat >out.tar'`,
		Args:              arguments(1, many),
		ValidArgsFunction: completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd.Flags()); err != nil {
				return err
			}
			return o.run(cmd.Context(), g, args)
		},
	}
	cmd.Flags().SortFlags = false
	o.add(cmd.Flags(), g)
	return cmd
}

func (o *packFlags) add(flags *pflag.FlagSet, g *globals) {
	o.output.add(flags)
	o.output.addIndex(flags)
	o.choice.add(flags)
	flags.StringArrayVar(&o.with, "with", nil, "add the members of shards `OTHER` with the same keys")
	flags.BoolVar(&o.classDirs, "class-dirs", false, "add the name of a file's directory as .cls")
	flags.StringVar(&o.captions, "captions", "", "add the columns of a csv, tsv or jsonl `FILE`")
	flags.StringVar(&o.keyColumn, "key-column", "key", "column `NAME` with keys or files")
	o.fix.add(flags, "mend what can be mended without touching content")
	o.order.add(flags)
	o.split.add(flags)
	o.from.add(flags, g)
}

// check returns an error for the first mistake in the flags.
func (o *packFlags) check(flags *pflag.FlagSet) error {
	err := firstBroken([]rule{
		{o.output.name == "", "-o is missing: where should the output go?"},
		{flags.Changed("key-column") && o.captions == "", "--key-column is for --captions"},
	})
	if err != nil {
		return err
	}
	return o.order.check(flags)
}

// join opens the shards and the table whose members are added.
func (o *packFlags) join(ctx context.Context) (*source.Join, error) {
	from := o.from
	if from.index != "none" {
		from.index = "" // it is for the packed shard
	}
	join, err := source.OpenJoin(ctx, o.joined, from.source())
	if err != nil {
		return nil, fmt.Errorf("--with: %w", err)
	}
	if o.captions != "" {
		if err := join.AddTable(o.captions, o.keyColumn); err != nil {
			join.Close()
			return nil, fmt.Errorf("--captions: %w", err)
		}
	}
	return join, nil
}

// foresee completes the options of the output, and returns the error with which the work would end because of the
// choice of samples or their keys, as far as that is known.
func (o *packFlags) foresee(ctx context.Context, names []source.Name, c pack.Choice, out *output.Options) error {
	out.AllowEmpty = o.empty
	if len(names) > 1 {
		out.Pack.Inputs = source.Names(names)
	}
	if !c.All() {
		out.Pack.DropOutside = true // such members belong to no chosen sample
		if o.fix.fix {
			return nil // keys become known while they are mended
		}
		if err := source.Foresee(ctx, names, o.from.source(), c, false).Err(); err != nil {
			return err
		}
	}
	return o.output.foresee(ctx, names, o.from.source(), c)
}

// samples returns the samples to pack: chosen, joined and ordered. It completes the options of the output.
func (o *packFlags) samples(
	ctx context.Context, in *source.List, join *source.Join, chooser *pack.Chooser, out *output.Options,
) iter.Seq2[pack.Sample, error] {
	samples := in.Samples(ctx)
	in.Partial = o.output.fields != "" || !chooser.All()
	if !chooser.All() {
		samples = chooser.Apply(samples)
	}
	samples = join.Apply(samples)
	if o.order.Given() {
		in.Buffered, out.Pack.Reordered = true, true
		samples = o.order.Apply(samples)
	}
	if in.HasFolders() {
		samples = pack.ReadAhead(samples)
	}
	out.Pack.OwnEnd = !in.Single()
	return in.Shown(samples, chooser.Choice)
}

// run packs the sources named by the arguments.
func (o *packFlags) run(ctx context.Context, g *globals, args []string) error {
	out, err := o.output.options(g)
	if err != nil {
		return err
	}
	split, err := o.split.split(&out)
	if err != nil {
		return err
	}
	fix, err := o.fix.options(&out.Pack, o.output.mtime)
	if err != nil {
		return err
	}
	names, err := o.names(ctx, args, &out, split)
	if err != nil {
		return err
	}
	choice, err := o.choice.choice(ctx)
	if err != nil {
		return err
	}
	if err := o.foresee(ctx, names, choice, &out); err != nil {
		return err
	}
	join, err := o.join(ctx)
	if err != nil {
		return err
	}
	defer join.Close()
	from := o.from.source()
	from.Folder, from.Fix = &folder.Options{ClassDirs: o.classDirs, Skip: join.Files()}, fix
	in := source.NewList(names, from)
	defer in.Close()
	chooser := pack.NewChooser(source.NameOfAll(names), choice)
	samples := o.samples(ctx, in, join, chooser, &out)
	out.Confirm = func(ctx context.Context) error { return errors.Join(in.Confirm(ctx), join.Confirm(ctx)) }
	if split.Given() {
		err = split.Write(ctx, out, samples)
	} else {
		err = output.Write(ctx, out, func(w *pack.Writer) error { return pack.Pack(ctx, w, samples) })
	}
	if err != nil {
		return err
	}
	if err := chooser.Missing(); err != nil {
		g.Note("%v", err)
	}
	if fix != nil {
		reportFixed(g.UI, fix.Fixed)
	}
	return errors.Join(join.Report(), in.MarkPacked())
}
