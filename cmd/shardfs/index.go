package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// indexOptions are the flags of index.
type indexOptions struct {
	from     shardFlags
	sidecar  bool
	export   string
	imported string // file name of an index of another tool
}

func newIndex(g *globals) *cobra.Command {
	u := g.UI
	var o indexOptions
	cmd := &cobra.Command{
		Use:   "index [flags] SHARD...",
		Short: "Index shards and show what they contain",
		Long: `Index builds the index of a shard before its first use, in one pass from first to
last byte, unless there is one that fits, and prints how many samples and
members the shard has, with which extensions, and how it is compressed. It
fails if a shard is damaged or cut short. --sidecar and --export write
indexes beside the shard; --import verifies the index of another tool.`,
		Example: `  shardfs index train-0000.tgz
  shardfs index --sidecar train-*.tgz             # train-0000.tgz.sfidx ...
  shardfs index --export wds2idx,energon train-0000.tar
  shardfs index --import train-0000.idx train-0000.tar
  shardfs index --index none train-0000.tgz       # read all of it again`,
		Args: arguments(1, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := source.Expand(cmd.Context(), g.stores, args)
			if err != nil {
				return err
			}
			if o.imported != "" && len(names) > 1 {
				return ui.Usagef("--import %s: there are %d shards", o.imported, len(names))
			}
			if err := o.from.checkFor(names); err != nil {
				return err
			}
			exports, err := exportFormats(o.export)
			if err != nil {
				return err
			}
			beside := output.Options{Store: g.stores, Sidecar: o.sidecar, Exports: exports, UI: u}
			if err := o.checkFiles(cmd.Context(), args, names, &beside); err != nil {
				return err
			}
			for i, name := range names {
				if i > 0 && !u.JSON {
					fmt.Fprintln(u.Out)
				}
				if err := o.run(cmd.Context(), u, name, beside); err != nil {
					return err
				}
			}
			return nil
		},
	}
	o.from.add(cmd.Flags(), g)
	cmd.Flags().BoolVar(&o.sidecar, "sidecar", false, "write SHARD.sfidx beside the shard")
	formats := strings.Join(indexformat.Names(), ", ")
	cmd.Flags().StringVar(&o.export, "export", "", "write indexes for other tools: `FORMATS` of "+formats)
	cmd.Flags().StringVar(&o.imported, "import", "", "verify the index `FILE` of another tool")
	return cmd
}

// indexSummary is the output of index for a shard.
type indexSummary struct {
	Shard         *string        `json:"shard,omitempty"`
	ShardHex      *string        `json:"shard_hex,omitempty"`
	Samples       int            `json:"samples"`
	Members       int            `json:"members"`
	Others        int            `json:"others"`
	Bytes         int64          `json:"bytes"`
	PlainBytes    int64          `json:"plain_bytes"`
	Codec         string         `json:"codec"`
	Checkpoints   int            `json:"checkpoints"`
	Extensions    map[string]int `json:"extensions"`
	ExtensionsHex map[string]int `json:"extensions_hex,omitempty"` // those that are not UTF-8
	Seconds       float64        `json:"seconds"`
}

func (o *indexOptions) run(ctx context.Context, u *ui.UI, name string, beside output.Options) error {
	begun := time.Now()
	sh, err := source.OpenShard(ctx, u, name, o.from.options())
	if err != nil {
		return err
	}
	defer sh.Close()
	if o.imported != "" {
		if err := importIndex(ctx, u, sh, o.imported); err != nil {
			return err
		}
	}
	if beside.Sidecar || len(beside.Exports) > 0 {
		if err := output.WriteIndexes(ctx, sh, beside); err != nil {
			return err
		}
	}
	x := sh.Index
	named, extensions := ui.NewJSONText(sh.Name), x.Extensions()
	s := indexSummary{
		Shard: named.Text, ShardHex: named.Hex,
		Samples: x.Samples(), Members: x.Rows() - x.Outside(), Others: x.Outside(),
		Bytes: sh.Origin.Size, PlainBytes: sh.Plain(), Codec: sh.Format.String(), Checkpoints: sh.Checkpoints(),
		Extensions: make(map[string]int), ExtensionsHex: make(map[string]int),
		Seconds: time.Since(begun).Seconds(),
	}
	for ext, n := range extensions {
		if text := ui.NewJSONText(ext); text.Hex != nil {
			s.ExtensionsHex[*text.Hex] = n
		} else {
			s.Extensions[ext] = n
		}
	}
	if u.JSON {
		return u.Print(s)
	}
	fmt.Fprintf(u.Out, "shard        %s\n", ui.Printable(sh.Name))
	fmt.Fprintf(u.Out, "samples      %d\n", s.Samples)
	fmt.Fprintf(u.Out, "members      %d\n", s.Members)
	fmt.Fprintf(u.Out, "others       %d\n", s.Others)
	fmt.Fprintf(u.Out, "bytes        %d\n", s.Bytes)
	fmt.Fprintf(u.Out, "plain bytes  %d\n", s.PlainBytes)
	fmt.Fprintf(u.Out, "codec        %s\n", s.Codec)
	fmt.Fprintf(u.Out, "checkpoints  %d\n", s.Checkpoints)
	for _, ext := range slices.Sorted(maps.Keys(extensions)) {
		fmt.Fprintf(u.Out, "extension    %-12s %d\n", ui.Printable(ext), extensions[ext])
	}
	_, err = fmt.Fprintf(u.Out, "seconds      %.3f\n", s.Seconds)
	return err
}

// exportFormats returns the formats that --export names.
func exportFormats(list string) ([]indexformat.Format, error) {
	if list == "" {
		return nil, nil
	}
	formats, err := indexformat.ParseFormats(list)
	if err != nil {
		err = &ui.UsageError{Err: fmt.Errorf("--export %s: %w", list, err)}
	}
	return formats, err
}

// importIndex verifies the index of another tool against the shard and its index.
func importIndex(ctx context.Context, u *ui.UI, sh *shard.Shard, name string) error {
	in, err := pipe.Await(ctx, func() (*os.File, error) { return os.Open(name) })
	if err != nil {
		return err
	}
	defer in.Close()
	buffered := bufio.NewReaderSize(pipe.NewReader(ctx, in), 1<<16)
	head, err := buffered.Peek(4096)
	if err != nil && err != io.EOF {
		return err
	}
	format, err := indexformat.Detect(head)
	if err != nil {
		return &ui.UsageError{Err: fmt.Errorf("--import %s: %w", name, err)}
	}
	imported, err := indexformat.Import(buffered, format, sh.Plain())
	if err == nil {
		err = imported.Check(sh.Index)
	}
	digests := false
	if err == nil && sh.Format == codec.Plain {
		digests, err = imported.Verify(sh.Reader(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", sh.Name, name, err)
	}
	proof := "every offset"
	if digests {
		proof += " and every digest"
	}
	u.Note("%s: %s verified: %s", sh.Name, name, proof)
	return nil
}
