package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
are files. It says what has gone wrong in the mount, and of remote shards what
reading them has cost.`,
		Example: `  shardfs status mnt
  shardfs status --json mnt | jq -r .path`,
		Args:              arguments(1, 1),
		ValidArgsFunction: completeMountpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkMountpoints(args...); err != nil {
				return err
			}
			server := mounts.ServerOf(args[0])
			if server.Stats != "" {
				u.Note("%s: %s", args[0], server.Stats)
			}
			sayErrors(u, args[0], server.Log)
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

// sayErrors warns of the errors that a server has written to its log: programs that use the mount see only EIO.
func sayErrors(u *ui.UI, place, log string) {
	f, err := os.Open(log)
	if err != nil {
		return // the server has not begun one
	}
	defer f.Close()
	if last, n := lastError(f); n > 0 {
		u.Warn("%s: %s, the last: %s (all are in %s)", place, ui.Count(n, "error"), last, log)
	}
}

// lastError returns the last error in a log of messages, and how many there are.
func lastError(log io.Reader) (last string, n int) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		text, found := strings.CutPrefix(lines.Text(), "shardfs: error: ")
		var said struct{ Level, Message string }
		if !found && json.Unmarshal(lines.Bytes(), &said) == nil && said.Level == "error" {
			text, found = said.Message, true
		}
		if found {
			last, n = text, n+1
		}
	}
	return last, n
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
