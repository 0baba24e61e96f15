package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(*globals) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages",
		Long:    `Man writes a manual page for shardfs and for each verb to a directory, which it makes.`,
		Example: `  shardfs man ~/.local/share/man/man1`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "shardfs " + version, Manual: "shardfs"}
			return doc.GenManTree(root, header, args[0])
		},
	}
}
