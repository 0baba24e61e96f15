package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

func newCheck(g *globals) *cobra.Command {
	u := g.UI
	var mayBeCut bool
	cmd := &cobra.Command{
		Use:   "check [flags] SHARD...",
		Short: "Find what readers of shards stumble over",
		Long: `Check reads shards from the first to the last byte and lists what WebDataset,
tarproc, DALI or Energon would stumble over: a line for each finding, with its
code at the end. It prints the first ten of each kind, or all with --json. The
shards are one dataset, in which no key should come twice.

The exit status is 0 if nothing was found that matters, 1 after errors (some
reader loses samples or refuses a shard), 3 after warnings only, and 65 if a
shard is damaged or cut short.`,
		Example: `  shardfs check train-0000.tgz
  shardfs check 'train-{0000..0147}.tar'
  curl -s https://host/train-0000.tar | shardfs check -
  shardfs check --json train-0000.tgz | jq -r .code | sort | uniq -c`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := source.Expand(args)
			if err != nil {
				return err
			}
			if first := slices.Index(names, "-"); first >= 0 && slices.Contains(names[first+1:], "-") {
				return ui.Usagef("-: standard input can be read only once")
			}
			return check(cmd.Context(), u, names, mayBeCut)
		},
	}
	cmd.Flags().BoolVar(&mayBeCut, "allow-truncated", false, "a cut after whole samples is a warning only")
	return cmd
}

// check looks at shards as one dataset. One that cannot be read is no reason not to look at the others.
func check(ctx context.Context, u *ui.UI, names []string, mayBeCut bool) error {
	r := &findings{ui: u}
	checker := lint.New(r.add)
	var failed []error
	for _, name := range names {
		err := checkShard(ctx, r, checker, name, mayBeCut)
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

// checkShard looks at a shard. Damage is a finding, and no error.
func checkShard(ctx context.Context, r *findings, checker *lint.Checker, name string, mayBeCut bool) error {
	shown := store.Redact(name)
	in, err := openPass(ctx, name)
	if err != nil {
		return fmt.Errorf("%s: %w", shown, err)
	}
	defer in.close()
	r.begin(shown)
	s := checker.Open(shown)
	if in.coded != nil {
		s.Compressed(in.format.String(), in.extra)
	}
	err = s.Read(in.plain)
	if changed := in.unchanged(ctx); changed != nil && r.err == nil {
		return fmt.Errorf("%s: %w", shown, changed) // and what was found may be of no version of it
	}
	if errors.Is(err, index.ErrNotTar) {
		err = in.whyNotTar(ctx, err)
	}
	switch {
	case err != nil && (r.err != nil || ctx.Err() != nil || exitStatus(err) != exitDamaged):
		return fmt.Errorf("%s: %w", shown, err)
	case err != nil:
		s.Damaged(err, mayBeCut)
	case in.coded != nil:
		s.Decoded(in.format.String(), in.coded.FirstEnd(), in.coded.Trailing())
	}
	return r.end(s)
}

// pass is a shard that is read once, from its first to its last byte.
type pass struct {
	object store.Object // nil for standard input
	format codec.Format
	extra  bool // see codec.HasExtra
	plain  io.Reader
	coded  *codec.Reader // that plain is; nil where the shard is plain
}

// openPass opens a shard by its name. What can be skipped of a plain one is not read.
func openPass(ctx context.Context, name string) (*pass, error) {
	if name == "-" {
		in := bufio.NewReaderSize(pipe.NewReader(ctx, os.Stdin), 256<<10)
		head, err := in.Peek(index.BlockSize)
		if err != nil && err != io.EOF {
			return nil, err
		}
		p := &pass{format: codec.Detect(head), extra: codec.HasExtra(head)}
		return p, p.decode(in)
	}
	object, err := stores().Open(ctx, name)
	if err != nil {
		return nil, err
	}
	in := io.NewSectionReader(store.At(ctx, object), 0, object.Size())
	p := &pass{object: object}
	if p.format, err = codec.DetectAt(in); err == nil {
		head := make([]byte, 10)
		n, _ := in.ReadAt(head, 0)
		p.extra = codec.HasExtra(head[:n])
		err = p.decode(in)
	}
	if err != nil {
		return nil, errors.Join(err, object.Close())
	}
	return p, nil
}

// decode has the plain bytes read from in.
func (p *pass) decode(in io.Reader) (err error) {
	p.plain = in
	if p.format != codec.Plain {
		p.coded, err = codec.NewReader(p.format, in, codec.Options{FirstEnd: true})
		p.plain = p.coded
	}
	return err
}

// whyNotTar says what a shard is that is no tar, where that is known.
func (p *pass) whyNotTar(ctx context.Context, err error) error {
	if p.object == nil {
		return err
	}
	if why := shard.WhyNotTar(store.At(ctx, p.object), p.object.Size(), err); why != err {
		return fmt.Errorf("%w: %w", index.ErrNotTar, why)
	}
	return err
}

// unchanged returns nil if the shard is still what was opened.
func (p *pass) unchanged(ctx context.Context) error {
	if p.object == nil {
		return nil
	}
	return p.object.Unchanged(ctx)
}

func (p *pass) close() error {
	if p.object == nil {
		return nil
	}
	return p.object.Close()
}
