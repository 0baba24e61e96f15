package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/ui"
)

func newUmount(*globals) *cobra.Command {
	var discard bool
	cmd := &cobra.Command{
		Use:   "umount [flags] MOUNTPOINT...",
		Short: "Unmount cleanly, also after a dead server",
		Long: `Umount ends a mount and returns when nothing is left of it. Changes in a
directory given with mount --scratch stay there. Other changes go with the
mount: if they were not packed, umount refuses.`,
		Example: `  shardfs umount mnt
  shardfs umount --discard mnt      # changes that were not packed are lost`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var errs []error
			for _, mountpoint := range args {
				if err := umount(mountpoint, discard); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", mountpoint, err))
				}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&discard, "discard", false, "give up changes that were not packed")
	return cmd
}

func umount(mountpoint string, discard bool) error {
	place, err := absolute(mountpoint)
	if err != nil {
		return err
	}
	m, mounted, err := mounts.At(place)
	if err != nil {
		return err
	}
	if !mounted {
		return ui.Usagef("not mounted by shardfs")
	}
	scratch, err := scratch.Open(m.Source)
	if errors.Is(err, os.ErrNotExist) {
		return mounts.Unmount(place, true) // of a dead server, swept since
	}
	if err != nil {
		return err
	}
	if scratch.Mountpoint() != place { // another name of a mount, as by mount --bind
		return mounts.Unmount(place, isDead(m))
	}
	if scratch.Temporary() && !discard {
		if err := syncMount(m); err != nil {
			return err
		}
		unpacked, err := hasUnpacked(scratch)
		if err != nil {
			return err
		}
		if unpacked {
			return ui.WithHint(errUnpacked, "pack them first, or give them up with --discard")
		}
	}
	if err := mounts.Unmount(place, isDead(m)); errors.Is(err, unix.EBUSY) {
		if by := holders(place); by != "" {
			return fmt.Errorf("%w: process %s", err, by)
		}
		return err
	} else if err != nil {
		return err
	}
	if err := awaitServer(scratch); err != nil {
		return err
	}
	if scratch.Temporary() {
		return scratch.Remove()
	}
	return nil
}

// awaitServer returns when the server that holds a scratch directory has ended.
func awaitServer(s *scratch.Scratch) error {
	const patience = 10 * time.Second
	for start := time.Now(); s.InUse(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > patience {
			return fmt.Errorf("%s: %w: unmounted, but its server has not ended", s.Dir, scratch.ErrInUse)
		}
	}
	return nil
}
