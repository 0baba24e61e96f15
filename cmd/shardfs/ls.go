package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// lsOptions are the flags of ls.
type lsOptions struct {
	long   bool
	all    bool
	sha256 bool
	null   bool
	from   shardFlags

	warned bool              // of a newline in a name
	apart  string            // how names with newlines are told apart; "" means --null
	shard  ofShard           // the current shard
	shown  *ui.Progress      // of --sha256
	found  []string          // those of the wanted keys that the shards so far have
	hints  map[string]string // for wanted keys that a shard does not have: what is near them
}

func newLs(g *globals) *cobra.Command {
	u := g.UI
	var o lsOptions
	cmd := &cobra.Command{
		Use:   "ls [flags] SHARD|MOUNTPOINT... [KEY...]",
		Short: "List samples and members",
		Long: `Ls lists the keys of the samples of shards in their order, or the members of the
samples with the given keys. At a mountpoint it lists the samples as they are
now. Into a pipe or file it prints the bytes of a name, as --keys, cat and ls
take them; on a terminal it escapes what that would obey.

` + shardsAndKeys,
		Example: `  shardfs ls train-0000.tgz | head
  shardfs ls -l train-0000.tgz n03788365_17158
  shardfs ls 'train-{0000..0147}.tgz' n03788365_17158
  shardfs ls --null train-0000.tgz | shuf -z -n 100 >some
  shardfs ls --json --sha256 train-0000.tgz | jq .key`,
		Args: arguments(1, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !u.JSON && (o.all || o.sha256) {
				return ui.Usagef("--all and --sha256 are for --json")
			}
			o.from.provisional = !u.JSON && !o.long // these show times and permissions, which others do not index
			ctx, stop := pipe.WhileRead(cmd.Context(), os.Stdout)
			defer stop()
			cmd.SetContext(ctx)
			names, keys, err := o.from.split(cmd, args)
			if err != nil {
				return err
			}
			o.hints = make(map[string]string)
			for _, name := range names {
				if len(names) > 1 {
					t := ui.NewJSONText(store.Redact(name))
					o.shard = ofShard{t.Text, t.Hex}
				}
				if err := o.list(cmd.Context(), u, name, keys); err != nil {
					return err
				}
			}
			return missing(source.NameOf(names), keys, o.found, o.hints)
		},
	}
	cmd.ValidArgsFunction = completeKeys(&o.from, false)
	flags := cmd.Flags()
	flags.BoolVarP(&o.long, "long", "l", false, "list members with size and time")
	flags.BoolVar(&o.all, "all", false, "with --json, list also the members outside samples")
	flags.BoolVar(&o.sha256, "sha256", false, "with --json, add each regular member's SHA-256")
	flags.BoolVar(&o.null, "null", false, "end each name with a NUL instead of a newline, unescaped")
	o.from.add(flags, g)
	return cmd
}

// list lists a shard, or a mount or another directory of sample directories.
func (o *lsOptions) list(ctx context.Context, u *ui.UI, given string, keys []string) error {
	name, err := source.Resolve(given)
	if err != nil {
		return err
	}
	if name.Kind == source.Dir {
		if o.all || o.sha256 {
			return ui.Usagef("--all and --sha256 are for shards")
		}
		src, err := source.Open(ctx, name, o.from.source())
		if err != nil {
			return err
		}
		defer src.Close()
		return o.listDirs(u, src, keys)
	}
	opened := o.from.options()
	found := len(keys) == 0 && !o.all && !o.sha256 // only what the scan finds is listed
	opened.Growing = found && store.IsRemote(given)
	if opened.Growing {
		var shown *ui.Progress
		shown, opened.Progress = source.ShowIndexing(u, given)
		defer shown.Done()
	}
	sh, err := source.OpenShard(ctx, u, given, opened)
	if err != nil {
		return err
	}
	defer sh.Close()
	if found {
		return o.listFound(ctx, u, sh)
	}
	if err := o.listShard(ctx, u, sh, keys); err != nil {
		return err
	}
	if sh.Index.Samples() == 0 {
		u.Note("%s: no samples: %s outside of samples", sh.Name, ui.Count(sh.Index.Rows(), "member"))
	}
	for _, key := range keys {
		if !slices.Contains(o.found, key) {
			o.hints[key] = cmp.Or(source.Near(sh, key), o.hints[key])
		}
	}
	return nil
}

// listFound lists a shard as it is indexed: that of a remote one may take long.
func (o *lsOptions) listFound(ctx context.Context, u *ui.UI, sh *shard.Shard) error {
	return source.EachSample(ctx, u, sh, func(x *index.Index, n int) func() error {
		s := x.Sample(n)
		l := newListedSample(s.Key, n)
		for row := s.Start; row < s.End && (o.long || u.JSON); row++ {
			if m := x.Member(row); m.InSample {
				l.Members = append(l.Members, newListedMember(s.Key+"."+m.Ext, m))
			}
		}
		return func() error { return o.print(u, l, false) }
	})
}

// listShard lists a shard, in one pass over its bytes.
func (o *lsOptions) listShard(ctx context.Context, u *ui.UI, sh *shard.Shard, keys []string) error {
	x := sh.Index
	row := 0
	if o.sha256 {
		o.shown = u.StartProgress("reading " + sh.Name)
		defer o.shown.Done()
	}
	for n := range x.Samples() {
		s := x.Sample(n)
		o.shown.Set(ui.Work{Bytes: x.Offset(s.Start), Size: sh.Plain()})
		if len(keys) > 0 {
			if !slices.Contains(keys, s.Key) {
				continue
			}
			o.found = append(o.found, s.Key)
		}
		if err := o.listOthers(ctx, u, sh, &row, s.Start); err != nil {
			return err
		}
		l := newListedSample(s.Key, n)
		var between []listedMember // outside samples, printed after the sample
		for row := s.Start; row < s.End && (o.long || u.JSON || len(keys) > 0); row++ {
			inSample := x.InSample(row)
			if !inSample && !o.all {
				continue
			}
			m, err := o.member(ctx, sh, s.Key, row)
			if err != nil {
				return err
			}
			if inSample {
				l.Members = append(l.Members, m)
			} else {
				m.ofShard = o.shard
				between = append(between, m)
			}
		}
		row = s.End
		if err := o.print(u, l, len(keys) > 0); err != nil {
			return err
		}
		for _, m := range between {
			if err := u.Print(m); err != nil {
				return err
			}
		}
	}
	return o.listOthers(ctx, u, sh, &row, x.Rows())
}

// listOthers lists the members outside samples from a row on, before end, which then is the row.
func (o *lsOptions) listOthers(ctx context.Context, u *ui.UI, sh *shard.Shard, row *int, end int) error {
	for ; *row < end; *row++ {
		if !o.all || sh.Index.InSample(*row) {
			continue
		}
		m, err := o.member(ctx, sh, "", *row)
		if err == nil {
			m.ofShard = o.shard
			err = u.Print(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// member returns an entry of a shard. Key is that of its sample, if it is in one.
func (o *lsOptions) member(ctx context.Context, sh *shard.Shard, key string, row int) (l listedMember, err error) {
	m := sh.Index.Member(row)
	name := sh.Index.OutsideName(row)
	if m.InSample {
		name = key + "." + m.Ext
	}
	l = newListedMember(name, m)
	regular := m.InSample
	if o.all {
		if l.Type, regular, err = typeOf(m, sh.Reader(ctx)); err != nil {
			return l, fmt.Errorf("%s: %s: %w", sh.Name, name, err)
		}
	}
	if o.sha256 && regular {
		sum := sha256.New()
		if err := catRow(ctx, io.MultiWriter(sum, o.shown), sh, row); err != nil {
			return l, fmt.Errorf("%s: %s: %w", sh.Name, name, err)
		}
		l.SHA256 = hex.EncodeToString(sum.Sum(nil))
	}
	return l, nil
}

// listDirs lists the samples of a mount or another directory as they are now.
func (o *lsOptions) listDirs(u *ui.UI, src *source.Source, keys []string) error {
	base := src.Base()
	n := 0
	for f, err := range src.Dirs.Dirs() {
		if err != nil {
			return err
		}
		samples, err := pack.Samples(base, f)
		if err != nil {
			return err
		}
		for _, s := range samples {
			if s.Empty() {
				continue
			}
			l := newListedSample(s.Key, n)
			n++
			if len(keys) > 0 {
				if !slices.Contains(keys, s.Key) {
					continue
				}
				o.found = append(o.found, s.Key)
			}
			l.Members = listMembers(&s)
			if err := o.print(u, l, len(keys) > 0); err != nil {
				return err
			}
		}
	}
	if n == 0 && src.Changes == nil {
		return fmt.Errorf("%s: %w", src.Name, source.ErrNoSamples)
	}
	return nil
}

// print prints one sample: its members or only its key.
func (o *lsOptions) print(u *ui.UI, s listedSample, members bool) error {
	switch {
	case u.JSON:
		s.ofShard = o.shard
		return u.Print(s)
	case !o.long && !members:
		return o.line(u, "", s.text)
	}
	for _, m := range s.Members {
		before := ""
		if o.long {
			before = fmt.Sprintf("%12d %s ", m.Size, m.time.UTC().Format("2006-01-02 15:04:05"))
		}
		if err := o.line(u, before, m.text); err != nil {
			return err
		}
	}
	return nil
}

// line prints a name: its own bytes into a pipe or file, which --keys, cat and ls take, escaped on a terminal.
func (o *lsOptions) line(u *ui.UI, before, name string) error {
	end := "\n"
	if o.null {
		end = "\x00"
	} else if name = u.Raw(name); strings.Contains(name, "\n") && !o.warned {
		o.warned = true
		u.Warn("%q has a newline: %s", name, cmp.Or(o.apart, "--null ends each name with a NUL instead"))
	}
	_, err := fmt.Fprint(u.Out, before, name, end)
	return err
}

// missing returns an error for the first of keys that was not found, with its hint if there is one.
func missing(shard string, keys, found []string, hints map[string]string) error {
	for _, key := range keys {
		if !slices.Contains(found, key) {
			err := fmt.Errorf("%s: %s: %w", shard, key, errNoSample)
			if hints[key] != "" {
				err = ui.WithHint(err, hints[key])
			}
			return err
		}
	}
	return nil
}
