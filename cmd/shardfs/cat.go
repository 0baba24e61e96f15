package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

func newCat(g *globals) *cobra.Command {
	u := g.UI
	from := shardFlags{provisional: true}
	cmd := &cobra.Command{
		Use:   "cat [flags] SHARD... KEY[.EXT]...",
		Short: "Write members' bytes to standard output",
		Long: `Cat writes the bytes of members to standard output, one after the other: KEY.EXT
is one member, KEY all members of a sample, '*.json' all that match. Of several
shards, it looks for them in one after the other.

` + shardsAndKeys,
		Example: `  shardfs cat train.tgz n03788365_17158.jpg | display -
  shardfs cat train.tgz n03788365_17158.json n03788365_17159.json
  shardfs cat 'train-{0000..0147}.tgz' n03788365_17158.json
  shardfs cat train.tgz '*.json' | jq -r .label`,
		Args: arguments(2, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := pipe.WhileRead(cmd.Context(), os.Stdout)
			defer stop()
			cmd.SetContext(ctx)
			names, keys, err := from.split(cmd, args)
			if err != nil {
				return err
			}
			if len(keys) == 0 {
				return ui.WithHint(ui.Usagef("no key: which member should be written?"), "usage: "+cmd.UseLine())
			}
			var found []string
			hints := make(map[string]string)
			for _, name := range names {
				if err := catShard(cmd.Context(), u, name, &from, keys, &found, hints); err != nil {
					return err
				}
			}
			return missing(source.NameOf(names), keys, found, hints)
		},
	}
	cmd.ValidArgsFunction = completeKeys(&from, true)
	from.add(cmd.Flags(), g)
	return cmd
}

// catShard writes those of the named members that a shard has, and adds their names to found; for others, it adds what
// is near them to hints.
func catShard(ctx context.Context, u *ui.UI, shard string, from *shardFlags, names []string, found *[]string,
	hints map[string]string) error {
	sh, err := source.OpenShard(ctx, u, shard, from.options())
	if err != nil {
		return err
	}
	defer sh.Close()
	for _, name := range names {
		rows := source.Rows(sh.Index, name)
		if rows == nil {
			hints[name] = cmp.Or(source.Near(sh, name), hints[name])
			continue
		}
		*found = append(*found, name)
		for _, row := range rows {
			if err := catRow(ctx, u.Out, sh, row); err != nil {
				return fmt.Errorf("%s: %s: %w", sh.Name, name, err)
			}
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
