package main

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// mountFlags are the flags of mount.
type mountFlags struct {
	foreground bool
	readOnly   bool
	options    []string
	base       string
	overlay    string
	scratch    string
	from       shardFlags
}

func newMount(g *globals) *cobra.Command {
	var f mountFlags
	cmd := &cobra.Command{
		Use:   "mount [flags] SHARD... MOUNTPOINT",
		Short: "Show a shard's samples as directories",
		Long: `Mount shows each sample of a shard as a directory that holds __key__, __source__
and sample.EXTENSION for each member, readable and writable. The shard itself is
never changed: changes go to a scratch directory, where pack finds them. Mount
returns when the mount is ready, and a process in the background serves it.

Several shards (names, name-{0000..0147}.tar, @FILE with one per line, patterns
of a store such as 's3://bucket/*.tar') get a directory each, and are read-only.
Those that have no index yet are opened when they are used.`,
		Example: `  shardfs mount train-0000.tgz mnt              # explore it, change it
  shardfs mount -r train-0000.tgz mnt           # look only
  shardfs mount --scratch work train.tar mnt    # changes outlive umount and reboot
  shardfs mount -o allow_other train.tar mnt    # for other users too
  shardfs mount 'train-{0000..0147}.tgz' mnt    # many shards`,
		Args: arguments(2, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			return f.run(cmd.Context(), g, args[:last], args[last])
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.foreground, "foreground", "f", false, "serve the mount from this process")
	flags.BoolVarP(&f.readOnly, "read-only", "r", false, "allow no changes")
	flags.StringSliceVarP(&f.options, "option", "o", nil, "mount options: `OPT[,OPT]`, such as allow_other")
	flags.StringVar(&f.base, "base", "auto", "`MODE`: what shows unchanged files: kernel (EROFS), fuse, auto")
	flags.StringVar(&f.overlay, "overlay", "auto", "`MODE`: where changes are kept: kernel (overlayfs), fuse, auto")
	flags.StringVar(&f.scratch, "scratch", "", "keep changes in `DIR`, for the next mount too")
	f.from.add(flags, g)
	return cmd
}

func (f *mountFlags) run(ctx context.Context, g *globals, args []string, mountpoint string) error {
	u := g.UI
	if err := checkMountpoints(mountpoint); err != nil {
		return err
	}
	names, err := source.Expand(ctx, g.stores, args)
	if err != nil {
		return err
	}
	if err := f.check(len(names) > 1); err != nil {
		return err
	}
	if slices.Contains(names, source.Stdin) {
		return source.ErrOnce
	}
	o := server.Options{
		Names: names, Mountpoint: mountpoint, Mount: f.options, ReadOnly: f.readOnly,
		Base: server.Base(f.base), Changes: server.Changes(f.overlay), Scratch: f.scratch,
	}
	o.SetShardOptions(f.from.options())
	if err := server.Prepare(u, &o); err != nil {
		if g.alreadyShown(err, names, mountpoint) {
			return nil
		}
		return err
	}
	_, err = source.ResolveAll(names)
	switch {
	case err != nil:
	case f.foreground:
		err = server.Serve(ctx, server.Program{UI: u, Store: g.stores, Disk: g.stores.disk, Env: os.Environ()}, o, nil)
	default:
		err = server.Start(ctx, g.server(u, os.Args[1:]...), o)
	}
	if err != nil {
		o.Unprepare()
	}
	return err
}

// check returns a usage error for flags that have other values or exclude each other. Several means more than one shard.
func (f *mountFlags) check(several bool) error {
	modes := []string{"auto", "kernel", "fuse"}
	switch {
	case !slices.Contains(modes, f.base):
		return ui.Usagef("--base %s: auto, kernel or fuse", f.base)
	case !slices.Contains(modes, f.overlay):
		return ui.Usagef("--overlay %s: auto, kernel or fuse", f.overlay)
	case f.base == "kernel" && f.overlay == "fuse":
		return ui.Usagef("--base kernel and --overlay fuse exclude each other")
	case several && (f.scratch != "" || f.overlay != "auto" || f.from.index != ""):
		return ui.Usagef("--scratch, --overlay and --index are for one shard: several cannot be changed")
	}
	return nil
}

// server returns the command that starts a server. Args are the arguments that ps shows, without credentials.
func (g *globals) server(u *ui.UI, args ...string) server.Command {
	args = slices.Clone(args)
	for i, arg := range args {
		args[i] = store.Redact(arg)
	}
	return server.Command{
		Args: args, Env: os.Environ(), Stderr: os.Stderr, KeepIn: g.stores.keep.dir, UI: u, SameGroup: g.helper,
	}
}
