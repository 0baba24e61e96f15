package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/shard"
)

func newIndex(ui *ui) *cobra.Command {
	var truncated bool
	var file string
	cmd := &cobra.Command{
		Use:   "index [flags] SHARD...",
		Short: "Index shards and say what they hold",
		Long: `Index reads a shard once, from its first to its last byte, and says how many
samples and members it holds, with which extensions, and how it is compressed.
It fails on a shard that is damaged or cut short.`,
		Example: `  shardfs index train-0000.tgz
  shardfs index --json train-*.tgz`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" && file != "none" && len(args) > 1 {
				return usagef("--index %s: of which of the shards?", file)
			}
			for i, name := range args {
				if i > 0 && !ui.json {
					fmt.Fprintln(ui.out)
				}
				if err := indexShard(ui, name, file, truncated); err != nil {
					return err
				}
			}
			return nil
		},
	}
	addTruncatedFlag(cmd.Flags(), &truncated)
	cmd.Flags().StringVar(&file, "index", "none", "index `FILE`, made if it does not fit; or none")
	return cmd
}

// indexSummary is what index tells of a shard.
type indexSummary struct {
	Shard       string         `json:"shard"`
	Samples     int            `json:"samples"`
	Members     int            `json:"members"`
	Others      int            `json:"others"`
	Bytes       int64          `json:"bytes"`
	PlainBytes  int64          `json:"plain_bytes"`
	Codec       string         `json:"codec"`
	Checkpoints int            `json:"checkpoints"`
	Extensions  map[string]int `json:"extensions"`
	Seconds     float64        `json:"seconds"`
}

func indexShard(ui *ui, name, file string, truncated bool) error {
	begun := time.Now()
	o := shard.Options{AllowTruncated: truncated}
	if file != "none" {
		o.IndexFile = file
	}
	sh, err := openShard(ui, name, o)
	if err != nil {
		return err
	}
	defer sh.Close()
	x := sh.Index
	s := indexSummary{
		Shard: sh.Name, Samples: x.Samples(), Members: x.Rows() - x.Others(), Others: x.Others(), Bytes: sh.Origin.Size,
		PlainBytes: sh.Plain, Codec: sh.Format.String(), Checkpoints: len(sh.Checkpoints), Extensions: x.Extensions(),
		Seconds: time.Since(begun).Seconds(),
	}
	if ui.json {
		return ui.print(s)
	}
	fmt.Fprintf(ui.out, "shard        %s\n", printable(s.Shard))
	fmt.Fprintf(ui.out, "samples      %d\n", s.Samples)
	fmt.Fprintf(ui.out, "members      %d\n", s.Members)
	fmt.Fprintf(ui.out, "others       %d\n", s.Others)
	fmt.Fprintf(ui.out, "bytes        %d\n", s.Bytes)
	fmt.Fprintf(ui.out, "plain bytes  %d\n", s.PlainBytes)
	fmt.Fprintf(ui.out, "codec        %s\n", s.Codec)
	fmt.Fprintf(ui.out, "checkpoints  %d\n", s.Checkpoints)
	for _, ext := range slices.Sorted(maps.Keys(s.Extensions)) {
		fmt.Fprintf(ui.out, "extension    %-12s %d\n", printable(ext), s.Extensions[ext])
	}
	_, err = fmt.Fprintf(ui.out, "seconds      %.3f\n", s.Seconds)
	return err
}
