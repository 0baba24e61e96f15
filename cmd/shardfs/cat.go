package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

func newCat(g *globals) *cobra.Command {
	u := g.UI
	var from shardFlags
	cmd := &cobra.Command{
		Use:   "cat [flags] SHARD... KEY[.EXT]...",
		Short: "Write members' bytes to standard output",
		Long: `Cat writes the bytes of members to standard output, one after the other: KEY.EXT
is one member, KEY all members of a sample. Of several shards, it looks for them
in one after the other.

` + shardsAndKeys,
		Example: `  shardfs cat train.tgz n03788365_17158.jpg | display -
  shardfs cat train.tgz n03788365_17158.json n03000247_49831.json
  shardfs cat 'train-{0000..0147}.tgz' n03788365_17158.json`,
		Args: arguments(2, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, keys, err := from.split(cmd, args)
			if err != nil {
				return err
			}
			if len(keys) == 0 {
				return ui.WithHint(ui.Usagef("no key: which member should be written?"), "usage: "+cmd.UseLine())
			}
			var found []string
			for _, name := range names {
				if err := catShard(cmd.Context(), u, name, &from, keys, &found); err != nil {
					return err
				}
			}
			return missing(source.NameOf(names), keys, found)
		},
	}
	cmd.ValidArgsFunction = completeKeys(&from, true)
	from.add(cmd.Flags(), g)
	return cmd
}

// catShard writes those of the named members that a shard has, and adds their names to found.
func catShard(ctx context.Context, u *ui.UI, shard string, from *shardFlags, names []string,
	found *[]string) error {
	sh, err := source.OpenShard(ctx, u, shard, from.options())
	if err != nil {
		return err
	}
	defer sh.Close()
	for _, name := range names {
		err := cat(ctx, u.Out, sh, name)
		if err == nil {
			*found = append(*found, name)
		} else if !errors.Is(err, errNoSample) {
			return fmt.Errorf("%s: %s: %w", sh.Name, name, err)
		}
	}
	return nil
}

// cat writes a member, or all members of a sample.
func cat(ctx context.Context, w io.Writer, sh *shard.Shard, name string) error {
	x := sh.Index
	if key, ext, ok := index.SplitName(name); ok {
		if number, ok := x.FindKey(key); ok {
			s := x.Sample(number)
			for row := s.Start; row < s.End; row++ {
				if m := x.Member(row); m.InSample && m.Ext == ext {
					return catRow(ctx, w, sh, row)
				}
			}
		}
	}
	number, ok := x.FindKey(name)
	if !ok {
		return errNoSample
	}
	s := x.Sample(number)
	for row := s.Start; row < s.End; row++ {
		if !x.InSample(row) {
			continue
		}
		if err := catRow(ctx, w, sh, row); err != nil {
			return err
		}
	}
	return nil
}

func catRow(ctx context.Context, w io.Writer, sh *shard.Shard, row int) error {
	content, err := sh.Index.Open(row, sh.Reader(ctx))
	if err != nil {
		return err
	}
	n, err := io.Copy(w, content)
	if err == nil && n < content.Size() {
		err = io.ErrUnexpectedEOF
	}
	return err
}
