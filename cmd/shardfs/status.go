package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/ui"
)

func newStatus(g *globals) *cobra.Command {
	u := g.UI
	return &cobra.Command{
		Use:   "status [flags] MOUNTPOINT",
		Short: "Show what has changed in a mount",
		Long: `Status lists the changes since the shard was mounted, one per line: A added, M
modified, D deleted, R renamed. A path that ends in a slash is a sample, others
are files. Of a mount of remote shards, it says what reading them has cost.`,
		Example: `  shardfs status mnt
  shardfs status --json mnt | jq -r .path`,
		Args:              arguments(1, 1),
		ValidArgsFunction: completeMountpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkMountpoints(args...); err != nil {
				return err
			}
			if stats := mounts.Stats(args[0]); stats != "" {
				u.Note("%s: %s", args[0], stats)
			}
			changes, err := mounts.Open(cmd.Context(), g.stores, args[0])
			if errors.Is(err, mounts.ErrMany) {
				return nil // it is read-only
			}
			if errors.Is(err, mounts.ErrNotMounted) {
				err = ui.WithHint(err, "mount a shard there first: shardfs mount SHARD "+args[0])
			}
			if err != nil {
				return err
			}
			defer changes.Close()
			for c, err := range changes.Changes() {
				if err != nil {
					return err
				}
				if err := printChange(u, c); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func printChange(u *ui.UI, c overlay.Difference) error {
	if u.JSON {
		path, from := ui.NewJSONText(c.Path), ui.NewJSONText(c.From)
		out := struct {
			Change  string  `json:"change"`
			Path    *string `json:"path,omitempty"`
			PathHex *string `json:"path_hex,omitempty"`
			From    *string `json:"from,omitempty"`
			FromHex *string `json:"from_hex,omitempty"`
			Sample  bool    `json:"sample"`
		}{Change: c.Kind, Path: path.Text, PathHex: path.Hex, Sample: c.Sample}
		if c.From != "" {
			out.From, out.FromHex = from.Text, from.Hex
		}
		return u.Print(out)
	}
	slash := ""
	if c.Sample {
		slash = "/"
	}
	text := ui.Printable(c.Path) + slash
	if c.From != "" {
		text = ui.Printable(c.From) + slash + " -> " + text
	}
	_, err := fmt.Fprintf(u.Out, "%c %s\n", c.Letter(), text)
	return err
}
