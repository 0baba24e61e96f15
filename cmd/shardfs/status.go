package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/ui"
)

func newStatus(g *globals) *cobra.Command {
	var o publishedFlags
	cmd := &cobra.Command{
		Use:   "status [flags] MOUNTPOINT | SHARD... -o OUT",
		Short: "Show what has changed in a mount, or which outputs are there",
		Long: `Status lists the changes since the shard was mounted, one per line: A added, M
modified, D deleted, R renamed. A path that ends in a slash is a sample, others
are files. It says what has gone wrong in the mount, and of remote shards what
reading them has cost.

With -o it tells which outputs of a run or pack over many shards are published,
and lists the others: missing, or failed if a --report has samples of the shard
that failed; --json lists all. It looks at outputs only, so it does not matter
where the run was, or is. The exit status is 1 unless all are there; if they are,
--mark writes an empty file _SUCCESS beside them.

With --missing it prints the indexes of those that are not there, as 3,17,40-44,
with exit status 0. If all are there it prints nothing: do not submit that, as an
empty sbatch --array= runs a job without an index.`,
		Example: `  shardfs status mnt
  shardfs status --json mnt | jq -r .path
  shardfs status 'train-{0000..0147}.tgz' -o 'new-{name}.tar'
  missing=$(shardfs status 'train-{0000..0147}.tgz' -o 'new-{name}.tar' --missing)
  test -z "$missing" || sbatch --array="$missing" job.sh`,
		Args:              arguments(1, many),
		ValidArgsFunction: completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch err := o.check(g.JSON); {
			case err != nil:
				return err
			case o.output != "":
				return o.run(cmd.Context(), g, args)
			case len(args) > 1:
				return ui.WithHint(arguments(1, 1)(cmd, args), "-o OUT tells which outputs of many shards are there")
			}
			return statusOfMount(cmd.Context(), g, args[0])
		},
	}
	o.add(cmd.Flags())
	return cmd
}

// statusOfMount prints what has changed in a mount.
func statusOfMount(ctx context.Context, g *globals, mountpoint string) error {
	u := g.UI
	if err := checkMountpoints(mountpoint); err != nil {
		return err
	}
	server := mounts.ServerOf(mountpoint)
	if server.Stats != "" {
		u.Note("%s: %s", mountpoint, server.Stats)
	}
	sayErrors(u, mountpoint, server.Log)
	changes, err := mounts.Open(ctx, g.stores, mountpoint)
	if errors.Is(err, mounts.ErrMany) {
		return nil // it is read-only
	}
	if errors.Is(err, mounts.ErrNotMounted) {
		err = ui.WithHint(err, "mount a shard there first: shardfs mount SHARD "+mountpoint)
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
}

// sayErrors warns of the errors that a server has written to its log: programs that use the mount see only EIO.
func sayErrors(u *ui.UI, place, log string) {
	f, err := os.Open(log)
	if err != nil {
		return // the server has not begun one
	}
	defer f.Close()
	if last, n := ui.LastError(f); n > 0 {
		u.Warn("%s: %s, the last: %s (all are in %s)", place, ui.Count(n, "error"), last, log)
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
