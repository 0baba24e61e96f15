package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

func newCat(g *globals) *cobra.Command {
	c := catter{ui: g.UI, from: shardFlags{provisional: true}, hints: make(map[string]string)}
	cmd := &cobra.Command{
		Use:   "cat [flags] SHARD... KEY[.EXT]...",
		Short: "Write members' bytes to standard output",
		Long: `Cat writes the bytes of members to standard output, one after the other: KEY.EXT
is one member, KEY all members of a sample, '*.json' all that match. Of several
shards, it looks for them in one after the other. With --null each begins with
its name and size, by which a program tells them apart.

` + shardsAndKeys,
		Example: `  shardfs cat train.tgz n03788365_17158.jpg | display -
  shardfs cat train.tgz n03788365_17158.json n03788365_17159.json
  shardfs cat 'train-{0000..0147}.tgz' n03788365_17158.json
  shardfs cat train.tgz '*.json' | jq -r .label
  shardfs cat --null train.tgz '*.cls' | tr '\0' ' '`,
		Args: arguments(2, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := pipe.WhileRead(cmd.Context(), os.Stdout)
			defer stop()
			cmd.SetContext(ctx)
			names, keys, err := c.from.split(cmd, args)
			if err != nil {
				return err
			}
			if len(keys) == 0 {
				return ui.WithHint(ui.Usagef("no key: which member should be written?"), "usage: "+cmd.UseLine())
			}
			return c.run(ctx, names, keys)
		},
	}
	cmd.ValidArgsFunction = completeKeys(&c.from, true)
	c.from.add(cmd.Flags(), g)
	cmd.Flags().BoolVar(&c.framed, "null", false, "begin each member with NAME, a NUL, its size in bytes, a NUL")
	return cmd
}

// catter writes members of shards to standard output.
type catter struct {
	ui     *ui.UI
	from   shardFlags
	framed bool // each begins with its name and size

	out   io.Writer
	found []string          // the names that a shard has
	hints map[string]string // what is near the others, by name
}

// run writes the named members of shards.
func (c *catter) run(ctx context.Context, shards, names []string) (err error) {
	c.out = c.ui.Out
	if c.framed {
		buffered := bufio.NewWriterSize(c.out, 64<<10)
		defer func() { err = errors.Join(err, buffered.Flush()) }()
		c.out = buffered
	}
	for _, shard := range shards {
		if err := c.shard(ctx, shard, names); err != nil {
			return err
		}
	}
	return missing(source.NameOf(shards), names, c.found, c.hints)
}

// shard writes those of the named members that a shard has.
func (c *catter) shard(ctx context.Context, shard string, names []string) error {
	sh, err := source.OpenShard(ctx, c.ui, shard, c.from.options())
	if err != nil {
		return err
	}
	defer sh.Close()
	for _, name := range names {
		rows := source.Rows(sh.Index, name)
		if rows == nil {
			c.hints[name] = cmp.Or(source.Near(sh, name), c.hints[name])
			continue
		}
		c.found = append(c.found, name)
		for _, row := range rows {
			if err := c.row(ctx, sh, row); err != nil {
				return fmt.Errorf("%s: %s: %w", sh.Name, name, err)
			}
		}
	}
	return nil
}

// row writes a member.
func (c *catter) row(ctx context.Context, sh *shard.Shard, row int) error {
	if !c.framed {
		return catRow(ctx, c.out, sh, row)
	}
	x := sh.Index
	name := x.Key(x.SampleOfRow(row)) + "." + x.Member(row).Ext
	if strings.Contains(name, "\x00") {
		return ui.Usagef("--null: the name %q has a NUL", name)
	}
	content, err := x.Open(row, sh.Reader(ctx))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.out, "%s\x00%d\x00", name, content.Size()); err != nil {
		return err
	}
	return copyWhole(c.out, content)
}

// catRow writes the bytes of a member.
func catRow(ctx context.Context, w io.Writer, sh *shard.Shard, row int) error {
	content, err := sh.Index.Open(row, sh.Reader(ctx))
	if err != nil {
		return err
	}
	return copyWhole(w, content)
}

// copyWhole writes all bytes of a member.
func copyWhole(w io.Writer, content *io.SectionReader) error {
	n, err := io.Copy(w, content)
	if err == nil && n < content.Size() {
		err = io.ErrUnexpectedEOF
	}
	return err
}
