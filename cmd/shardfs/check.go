package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

func newCheck(g *globals) *cobra.Command {
	u := g.UI
	var mayBeCut, decode bool
	var mend packFlags
	cmd := &cobra.Command{
		Use:   "check [flags] SHARD...",
		Short: "Find problems that readers of shards would have",
		Long: `Check reads shards from the first to the last byte and lists what readers such as
WebDataset, Energon, Hugging Face datasets or DALI would stumble over: a line per
finding, with what happens to which reader, and its code at the end. It prints
the first ten of each kind, or all with --json. The shards are one dataset, in
which no key should occur twice. docs/readers.md lists codes and readers.

The exit status is 0 if nothing was found that matters, 1 after errors (some
reader loses samples or refuses a shard), 3 after warnings only, and 65 if a
shard is damaged or cut short. With --fix it is that of writing OUT.`,
		Example: `  shardfs check train-0000.tgz
  shardfs check --decode 'train-{0000..0147}.tar'
  curl -s https://host/train-0000.tar | shardfs check -
  shardfs check --json train-0000.tgz | jq -r .code | sort | uniq -c
  shardfs check --fix train-0000.tgz -o mended.tar`,
		Args: arguments(1, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := source.Expand(cmd.Context(), g.stores, args)
			if err != nil {
				return err
			}
			if err := errors.Join(source.CheckOnce(names), notTyped(names), mend.from.checkRead(names)); err != nil {
				return err
			}
			if err := mend.checkFix(); err != nil {
				return err
			}
			err = check(cmd.Context(), u, g.stores, names, mayBeCut, decode)
			if mend.fix.fix && (err == nil || errors.Is(err, errCheckErrors) || errors.Is(err, errCheckWarnings)) {
				return mend.run(cmd.Context(), g, args)
			}
			return err
		},
	}
	mend.add(pflag.NewFlagSet("", pflag.ContinueOnError), g) // for the defaults
	cmd.Flags().BoolVar(&mayBeCut, "allow-truncated", false, "only warn of a cut after whole samples")
	cmd.Flags().BoolVar(&decode, "decode", false, "read content, too: numbers, text, JSON, pictures, arrays")
	mend.fix.add(cmd.Flags(), "then mend what can be mended without touching content")
	cmd.Flags().StringVarP(&mend.output.name, "output", "o", "", "with --fix, write the mended shard to `OUT`")
	return cmd
}

// check checks shards as one dataset. If one cannot be read, it still checks the others.
func check(ctx context.Context, u *ui.UI, st store.Store, names []string, mayBeCut, decode bool) error {
	r := &findings{ui: u}
	checker := lint.New(r.add)
	if decode {
		checker.Decode()
	}
	scans := source.ShowScans(u, "check", names)
	defer scans.Done()
	var failed []error
	for _, name := range names {
		o := shard.Options{Store: st, Progress: scans.Begin(), AllowTruncated: mayBeCut}
		err := checkShard(ctx, r, checker, name, o)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.err != nil {
			return err
		}
		if err != nil {
			u.Fail(err)
			failed = append(failed, ui.Reported(err))
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	switch r.worst {
	case lint.Damage:
		return ui.Reported(index.ErrDamaged)
	case lint.Error:
		return ui.Reported(errCheckErrors)
	case lint.Warning:
		return ui.Reported(errCheckWarnings)
	}
	return nil
}

// checkShard checks a shard. Damage is a finding, not an error.
func checkShard(ctx context.Context, r *findings, checker *lint.Checker, name string, o shard.Options) error {
	shown := store.Redact(name)
	in, err := source.OpenScan(ctx, name, source.Options{Shard: o, Stdin: os.Stdin})
	if err != nil {
		return fmt.Errorf("%s: %w", shown, err)
	}
	defer in.Close()
	r.begin(shown)
	s := checker.Open(shown)
	compressed := in.Format != codec.Plain
	if compressed {
		s.Compressed(in.Format.String(), in.HasExtra, in.EmptyFirst)
	}
	err = s.Read(in.Plain)
	if changed := in.Unchanged(); changed != nil && r.err == nil {
		return fmt.Errorf("%s: %w", shown, changed) // the findings may mix two versions of the shard
	}
	if errors.Is(err, index.ErrNotTar) {
		err = in.WhyNotTar(err)
	}
	switch {
	case err != nil && (r.err != nil || ctx.Err() != nil || exitStatus(err) != exitDamaged):
		return fmt.Errorf("%s: %w", shown, err)
	case err != nil:
		s.Damaged(err, o.AllowTruncated)
	case compressed:
		firstEnd, trailing := in.Ends()
		s.Decoded(firstEnd, trailing)
	}
	return r.end(s)
}
