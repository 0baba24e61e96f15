package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// cleanFlags are the flags of clean.
type cleanFlags struct {
	output string
	older  time.Duration
}

func newClean(g *globals) *cobra.Command {
	var o cleanFlags
	cmd := &cobra.Command{
		Use:   "clean -o OUT [--older-than D]",
		Short: "Remove what killed runs have left beside outputs",
		Long: `Clean removes what runs that were killed have left of outputs, and of indexes
beside them: hidden temporary files, directories of head, and incomplete uploads,
which a store keeps and charges for. OUT is as it was for run or pack, with {name},
{index} and %d. It removes no outputs, and no file that shardfs has not made.

A local file that a process is writing stays, and so does what run --resume needs,
unless it is older than --older-than says. A store does not tell whether an upload
goes on: while runs write to OUT, say --older-than.`,
		Example: `  shardfs clean -o 'out/{name}.tar'
  shardfs clean -o 'part-%06d.tar' --older-than 24h`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := firstBroken([]rule{
				{o.output == "", "-o is missing: beside which outputs?"},
				{o.older < 0, "--older-than: at least 0"},
			})
			if err == nil {
				err = output.CheckCleaned("-o", o.output)
			}
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), g)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "`OUT` of the runs")
	cmd.Flags().DurationVar(&o.older, "older-than", 0, "only what was written, or begun, `D` ago or earlier, as 24h")
	return cmd
}

// run removes leftovers, and says which.
func (o *cleanFlags) run(ctx context.Context, g *globals) error {
	begun := time.Now()
	may := func(l store.Leftover) bool {
		switch {
		case l.Resumable && o.older == 0:
			g.Detail("%s: stays for --resume; --older-than removes it, too", shownLeftover(l))
			return false
		case begun.Sub(l.Time) < o.older:
			g.Detail("%s: stays, it is not that old", shownLeftover(l))
			return false
		}
		return true
	}
	n, bytes := 0, int64(0)
	for l, err := range output.Clean(ctx, g.stores, o.output, may) {
		if err != nil {
			return err
		}
		n, bytes = n+1, bytes+l.Size
		if err := printRemoved(g.UI, l); err != nil {
			return err
		}
	}
	switch {
	case n == 0:
		g.Note("%s: nothing to remove", store.Redact(o.output))
	case bytes == 0:
		g.Note("%s: %s removed", store.Redact(o.output), ui.Count(n, "leftover"))
	default:
		g.Note("%s: %s removed, %s", store.Redact(o.output), ui.Count(n, "leftover"), ui.Size(bytes))
	}
	return nil
}

// shownLeftover returns what a leftover is: the path of a file or, in a store, what it is of.
func shownLeftover(l store.Leftover) string {
	if store.IsRemote(l.Name) {
		return store.Redact(l.Name) + ": " + l.At
	}
	return l.At
}

// printRemoved prints what was removed.
func printRemoved(u *ui.UI, l store.Leftover) error {
	if !u.JSON {
		_, err := fmt.Fprintln(u.Out, ui.Printable(shownLeftover(l)))
		return err
	}
	of, at := ui.NewJSONText(store.Redact(l.Name)), ui.NewJSONText(l.At)
	return u.Print(struct {
		Removed    *string `json:"removed,omitempty"`
		RemovedHex *string `json:"removed_hex,omitempty"`
		Output     *string `json:"output,omitempty"`
		OutputHex  *string `json:"output_hex,omitempty"`
		Bytes      int64   `json:"bytes,omitempty"` // absent if the store does not tell
		MTime      float64 `json:"mtime"`
	}{at.Text, at.Hex, of.Text, of.Hex, l.Size, seconds(l.Time)})
}
