package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/ui"
)

func newUmount(*globals) *cobra.Command {
	var discard bool
	cmd := &cobra.Command{
		Use:   "umount [flags] MOUNTPOINT...",
		Short: "Unmount cleanly, even if the server is dead",
		Long: `Umount ends a mount and returns when nothing is left of it. Changes in a
directory that mount --scratch was given stay there. Other changes are lost with
the mount: if they were not packed, umount refuses.`,
		Example: `  shardfs umount mnt
  shardfs umount --discard mnt      # changes that were not packed are lost`,
		Args:              arguments(1, many),
		ValidArgsFunction: completeMountpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkMountpoints(args...); err != nil {
				return err
			}
			var errs []error
			for _, mountpoint := range args {
				err := mounts.End(cmd.Context(), mountpoint, discard)
				switch {
				case errors.Is(err, mounts.ErrUnpacked):
					err = ui.WithHint(err, "pack them first, or lose them with --discard")
				case errors.Is(err, mounts.ErrHidden):
					err = ui.WithHint(err, "unmount where it was mounted; --discard loses changes that were not packed")
				}
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", mountpoint, err))
				}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&discard, "discard", false, "lose changes that were not packed")
	return cmd
}
