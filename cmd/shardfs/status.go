package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/overlay"
)

func newStatus(ui *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "status [flags] MOUNTPOINT",
		Short: "Show what has changed in a mount",
		Long: `Status lists what has changed since the shard was mounted, one change a line: A
added, M modified, D deleted, R renamed; a path with a slash at its end is a
sample, the others are files.`,
		Example: `  shardfs status mnt
  shardfs status --json mnt | jq -r .path`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scratch, err := scratchOf(args[0])
			if err != nil {
				return err
			}
			if scratch == nil {
				return usagef("%s: not mounted by shardfs", args[0])
			}
			over, err := openOverlay(scratch)
			if err != nil {
				return err
			}
			defer over.Close()
			for c, err := range over.Changes() {
				if err != nil {
					return err
				}
				if err := printChange(ui, c); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func printChange(ui *ui, c overlay.Difference) error {
	if ui.json {
		path, from := newJSONText(c.Path), newJSONText(c.From)
		out := struct {
			Change  string  `json:"change"`
			Path    *string `json:"path,omitempty"`
			PathHex *string `json:"path_hex,omitempty"`
			From    *string `json:"from,omitempty"`
			FromHex *string `json:"from_hex,omitempty"`
			Sample  bool    `json:"sample"`
		}{Change: c.Kind.String(), Path: path.text, PathHex: path.hex, Sample: c.Sample}
		if c.From != "" {
			out.From, out.FromHex = from.text, from.hex
		}
		return ui.print(out)
	}
	slash := ""
	if c.Sample {
		slash = "/"
	}
	text := printable(c.Path) + slash
	if c.From != "" {
		text = printable(c.From) + slash + " -> " + text
	}
	_, err := fmt.Fprintf(ui.out, "%c %s\n", c.Kind, text)
	return err
}
