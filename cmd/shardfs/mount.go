package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// mountOptions are the flags of mount.
type mountOptions struct {
	foreground bool
	readOnly   bool
	options    []string
	overlay    string
	scratch    string
	from       shardFlags
}

func newMount(g *globals) *cobra.Command {
	u := g.UI
	var o mountOptions
	cmd := &cobra.Command{
		Use:   "mount [flags] SHARD... MOUNTPOINT",
		Short: "Show a shard's samples as directories",
		Long: `Mount shows each sample of a shard as a directory that holds __key__, __source__
and sample.EXTENSION for each member, readable and writable. The shard itself is
never changed: changes go to a scratch directory, where pack finds them. Mount
returns when the mount is ready and leaves a process behind to serve it.

Several shards (names, name-{0000..0147}.tar, @FILE with one a line) lie in a
directory each, and are opened when they are used. They cannot be changed.`,
		Example: `  shardfs mount train-0000.tgz mnt              # explore it, change it
  shardfs mount -r train-0000.tgz mnt           # look only
  shardfs mount --scratch work train.tar mnt    # changes outlive umount and reboot
  shardfs mount -o allow_other train.tar mnt    # for other users too
  shardfs mount 'train-{0000..0147}.tgz' mnt    # many shards`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			return o.run(cmd.Context(), u, args[:last], args[last])
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.foreground, "foreground", "f", false, "serve the mount from this process")
	flags.BoolVarP(&o.readOnly, "read-only", "r", false, "allow no changes")
	flags.StringSliceVarP(&o.options, "option", "o", nil, "mount options: `OPT[,OPT]`, as allow_other")
	flags.StringVar(&o.overlay, "overlay", "auto", "`WHO` keeps changes: kernel (its overlayfs), fuse (shardfs), auto")
	flags.StringVar(&o.scratch, "scratch", "", "keep changes in `DIR`, for the next mount too")
	o.from.add(flags, g)
	return cmd
}

func (o *mountOptions) run(ctx context.Context, u *ui.UI, args []string, mountpoint string) error {
	if o.overlay != "auto" && o.overlay != "kernel" && o.overlay != "fuse" {
		return ui.Usagef("--overlay %s: auto, kernel or fuse", o.overlay)
	}
	names, err := source.Expand(args)
	if err != nil {
		return err
	}
	if len(names) > 1 && (o.scratch != "" || o.overlay != "auto" || o.from.index != "") {
		return ui.Usagef("--scratch, --overlay and --index are for one shard: several cannot be changed")
	}
	for _, name := range names {
		if name == "-" {
			return source.ErrOnce
		}
	}
	if mountpoint, err = o.prepare(u, names, mountpoint); err != nil {
		return err
	}
	if !o.foreground && os.Getenv(serverVariable) == "" {
		return startServer(ctx, os.Args[1:])
	}
	return o.serve(ctx, u, names, mountpoint)
}

// prepare checks the mountpoint and clears what a dead server has left there. It returns its absolute name without links.
func (o *mountOptions) prepare(u *ui.UI, names []string, mountpoint string) (string, error) {
	place, err := mounts.Absolute(mountpoint)
	if err != nil {
		return "", err
	}
	left, err := mounts.ClearStale(context.Background(), place)
	for _, l := range left {
		if l.Err != nil {
			u.Warn("%s: %v", l.Dir, l.Err)
		} else {
			u.Warn("%s: the server of the last mount is gone; its changes are in %s: mount with --scratch to go on with them",
				place, l.Dir)
		}
	}
	if err != nil {
		return "", err
	}
	if _, mounted, err := mounts.At(place); err != nil {
		return "", err
	} else if mounted {
		return "", ui.Usagef("%s: already mounted by shardfs", mountpoint)
	}
	entries, err := os.ReadDir(place)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", ui.Usagef("%s: no such mountpoint", mountpoint)
	case errors.Is(err, unix.ENOTDIR):
		return "", ui.Usagef("%s: the mountpoint is not a directory", mountpoint)
	case err != nil:
		return "", err
	}
	if o.scratch != "" {
		scratch, err := mounts.Absolute(o.scratch)
		switch {
		case err != nil:
			return "", err
		case mounts.Within(scratch, place):
			return "", ui.Usagef("%s: the mountpoint would hide the scratch directory %s", mountpoint, scratch)
		case mounts.Within(place, scratch):
			return "", ui.Usagef("%s: the mountpoint lies in the scratch directory %s", mountpoint, scratch)
		}
	}
	for _, name := range names {
		path, err := store.Path(name)
		if err != nil {
			return "", err
		}
		if path, err = mounts.Absolute(path); err != nil {
			return "", err
		} else if mounts.Within(path, place) {
			return "", ui.Usagef("%s: the mountpoint would hide the shard %s", mountpoint, path)
		}
	}
	if len(entries) > 0 {
		return "", ui.Usagef("%s: the mountpoint is not empty", mountpoint)
	}
	return place, nil
}
