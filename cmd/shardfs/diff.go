package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/difference"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// diffFlags are the flags of diff.
type diffFlags struct {
	members  bool
	keysOnly bool
	from     shardFlags
}

func newDiff(g *globals) *cobra.Command {
	var o diffFlags
	cmd := &cobra.Command{
		Use:   "diff [flags] A B",
		Short: "Compare the samples of two shards, mounts or directories",
		Long: `Diff lists the samples that differ, a line each: removed (only A has the key),
added (only B), changed (other content) or moved (the same content in another
place among the samples of both). Times and the order of members do not count,
and in a directory that is not a mount the order of samples does not either. Of
a key that returns, the first is compared with the first. A pattern in quotes,
name-{0000..0147}.tar, or @FILE stands for shards that are read as one.

The exit status is 0 if there is no difference, 1 if there is one, and more if
something went wrong. Shards are compared as they are read; what is kept in
memory are samples that the other side has not had yet.`,
		Example: `  shardfs diff train.tar train.tgz
  shardfs diff --members train.tar mnt
  shardfs diff 'train-{0000..0147}.tgz' 'train-{0000..0147}.tar'
  shardfs diff --json train.tar in.tgz | jq -r 'select(.change == "added") | .key'`,
		Args:              arguments(2, 2),
		ValidArgsFunction: completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := pipe.WhileRead(cmd.Context(), os.Stdout)
			defer stop()
			return o.run(ctx, g.UI, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.members, "members", false, "list also the members that differ")
	flags.BoolVar(&o.keysOnly, "keys-only", false, "compare keys and order, and read no content")
	o.from.add(flags, g)
	return cmd
}

func (o *diffFlags) run(ctx context.Context, u *ui.UI, args []string) error {
	a, err := o.resolve(ctx, args[0])
	if err != nil {
		return err
	}
	b, err := o.resolve(ctx, args[1])
	if err != nil {
		return err
	}
	texts := make([]string, 0, len(a)+len(b))
	for _, n := range append(a[:len(a):len(a)], b...) {
		texts = append(texts, n.Text)
	}
	if err := errors.Join(source.CheckOnce(texts), o.from.checkFor(texts), o.from.checkRead(texts)); err != nil {
		return err
	}
	one, err := o.open(ctx, a)
	if err != nil {
		return err
	}
	defer one.close()
	other, err := o.open(ctx, b)
	if err != nil {
		return err
	}
	defer other.close()
	shown := u.StartProgress("diff")
	defer shown.Done()
	find := difference.Options{KeysOnly: o.keysOnly, AnyOrder: one.anyOrder || other.anyOrder}
	find.Progress = func(samples int) { shown.Set(ui.Work{Samples: int64(samples)}) }
	count, err := difference.Find(ctx, one.samples, other.samples, find,
		func(d difference.Difference) error { return o.print(u, d) })
	if err := errors.Join(err, one.confirm(ctx), other.confirm(ctx)); err != nil {
		if exitStatus(err) == exitFailed {
			err = &ui.UsageError{Err: err} // such as a bad key in a mount: that is no difference
		}
		return err
	}
	u.Note("%s, %s: %s equal, %d changed, %d moved, %d removed, %d added", source.NameOfAll(a), source.NameOfAll(b),
		ui.Count(count.Equal, "sample"), count.Changed, count.Moved, count.Removed, count.Added)
	if count.Any() {
		return ui.Reported(errDiffer)
	}
	return nil
}

// resolve finds out what an argument stands for.
func (o *diffFlags) resolve(ctx context.Context, arg string) ([]source.Name, error) {
	names, err := source.Expand(ctx, o.from.globals.stores, []string{arg})
	if err != nil {
		return nil, err
	}
	if err := notTyped(names); err != nil {
		return nil, err
	}
	return source.ResolveAll(names)
}

// diffSide is one of the two sides.
type diffSide struct {
	samples  difference.Side
	anyOrder bool // its order means nothing
	confirm  func(ctx context.Context) error
	close    func()
}

// open opens a side. A single shard is read by its index; of several, those are open whose samples are compared or wait.
func (o *diffFlags) open(ctx context.Context, names []source.Name) (*diffSide, error) {
	if len(names) > 1 {
		list := source.NewList(names, o.from.looking())
		list.Buffered = true
		s := &diffSide{samples: difference.Of(list.Samples(ctx)), confirm: list.Confirm, close: list.Close}
		for _, n := range names {
			s.anyOrder = s.anyOrder || n.Kind == source.Dir
		}
		return s, nil
	}
	src, err := source.Open(ctx, names[0], o.from.looking())
	if err != nil {
		return nil, err
	}
	s := &diffSide{anyOrder: src.Shard == nil && src.Stream == nil, close: func() { src.Close() }}
	s.confirm = func(ctx context.Context) error { return source.Confirm(ctx, []source.Witness{src.Witness()}) }
	if s.samples = difference.Of(src.Samples()); names[0].Kind == source.Shard {
		base := src.Base()
		base.Name = src.Name
		s.samples = difference.OfShard(base)
	}
	return s, nil
}

// listedDifference is a difference as JSON.
type listedDifference struct {
	Change  difference.Kind `json:"change"`
	Key     *string         `json:"key,omitempty"`
	KeyHex  *string         `json:"key_hex,omitempty"`
	A       *int            `json:"a,omitempty"` // number of the sample, from 0
	B       *int            `json:"b,omitempty"`
	Moved   bool            `json:"moved"`
	Members []listedChange  `json:"members,omitempty"`
}

// listedChange is a difference in a member as JSON.
type listedChange struct {
	Change difference.Kind `json:"change"`
	Ext    *string         `json:"ext,omitempty"`
	ExtHex *string         `json:"ext_hex,omitempty"`
	ASize  *int64          `json:"a_size,omitempty"` // bytes
	BSize  *int64          `json:"b_size,omitempty"`
}

// print prints a difference.
func (o *diffFlags) print(u *ui.UI, d difference.Difference) error {
	if u.JSON {
		key := ui.NewJSONText(d.Key)
		l := listedDifference{
			Change: d.Kind, Key: key.Text, KeyHex: key.Hex, A: present(d.A), B: present(d.B), Moved: d.Moved,
		}
		for _, m := range d.Members {
			ext := ui.NewJSONText(m.Ext)
			l.Members = append(l.Members, listedChange{m.Kind, ext.Text, ext.Hex, present(m.ASize), present(m.BSize)})
		}
		return u.Print(l)
	}
	_, err := fmt.Fprintf(u.Out, "%-7s %s\n", d.Kind, u.Raw(d.Key))
	for i := 0; i < len(d.Members) && o.members && err == nil; i++ {
		m := d.Members[i]
		_, err = fmt.Fprintf(u.Out, "  %-7s %s\n", m.Kind, u.Raw(d.Key+"."+m.Ext))
	}
	return err
}

// present returns a number that is there, and nil for -1.
func present[T int | int64](n T) *T {
	if n < 0 {
		return nil
	}
	return &n
}
