package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
use. The output gets its name only when it is complete; - is standard output.
With {name} or {index} (or {index:04d}) in OUTPUT, each source is packed into its
own output, to which all flags apply, and those that exist are skipped.`,
		Example: `  shardfs pack mnt -o out.tar
  shardfs pack 'train-{0000..0147}.tgz' --fields 'jpg cls' -o 'new-{name}.tar'
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

// foresee completes the options of an output, and returns the error with which the work on it would end because of the
// choice of samples or their keys, as far as that is known.
func (o *packFlags) foresee(ctx context.Context, names []source.Name, c pack.Choice, out *output.Options) error {
	out.AllowEmpty = o.empty
	if len(names) > 1 {
		out.Pack.Inputs = source.Names(names)
	}
	if !c.All() {
		out.Pack.DropOutside = true // such members belong to no chosen sample
		if o.fix.fix || o.output.pattern != nil {
			return nil // keys become known while they are mended, and those of each source do not matter
		}
		if err := source.Foresee(ctx, names, o.from.source(), c, false).Err(); err != nil {
			return err
		}
	}
	return o.output.foresee(ctx, names, o.from.source(), c)
}

// run packs the sources named by the arguments.
func (o *packFlags) run(ctx context.Context, g *globals, args []string) error {
	p := packing{packFlags: o, ui: g.UI}
	var err error
	if p.out, err = o.output.options(g); err != nil {
		return err
	}
	if p.split, err = o.split.split(&p.out, o.output.given("if-exists")); err != nil {
		return err
	}
	if p.mend, err = o.fix.options(&p.out.Pack, o.output.mtime); err != nil {
		return err
	}
	names, err := p.resolve(ctx, args)
	if err != nil {
		return err
	}
	choice, err := o.choice.choice(ctx, g.stores)
	if err != nil {
		return err
	}
	p.chooser = pack.NewChooser(source.NameOfAll(names), choice)
	if err := p.find(ctx, names); err != nil {
		return err
	}
	if p.join, err = o.join(ctx); err != nil {
		return err
	}
	defer p.join.Close()
	return p.run(ctx)
}
