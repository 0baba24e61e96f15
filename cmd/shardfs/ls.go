package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// lsOptions are the flags of ls.
type lsOptions struct {
	long   bool
	all    bool
	sha256 bool
	from   shardFlags
}

func newLs(g *globals) *cobra.Command {
	u := g.UI
	var o lsOptions
	cmd := &cobra.Command{
		Use:   "ls [flags] SHARD|MOUNTPOINT [KEY...]",
		Short: "List samples and members",
		Long: `Ls lists the keys of a shard's samples in its order, or the members of the
samples with the given keys. At a mountpoint it lists the samples as they are
now.`,
		Example: `  shardfs ls train-0000.tgz | head
  shardfs ls -l train-0000.tgz n03788365_17158
  shardfs ls --json --sha256 train-0000.tgz | jq .key`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := source.Resolve(args[0])
			if err != nil {
				return err
			}
			if name.Kind == source.Dir {
				changes, err := mounts.Open(cmd.Context(), stores(), name.Path)
				if err == nil {
					defer changes.Close()
					if o.all || o.sha256 {
						return ui.Usagef("--all and --sha256 are for shards")
					}
					return o.listMount(u, changes, args[1:])
				}
				if !errors.Is(err, mounts.ErrNotMounted) {
					return err
				}
			}
			sh, err := source.OpenShard(cmd.Context(), u, args[0], o.from.options())
			if err != nil {
				return err
			}
			defer sh.Close()
			return o.listShard(cmd.Context(), u, sh, args[1:])
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.long, "long", "l", false, "list members with size and time")
	flags.BoolVar(&o.all, "all", false, "with --json, list also the members outside samples")
	flags.BoolVar(&o.sha256, "sha256", false, "with --json, add each member's SHA-256")
	o.from.add(flags, g)
	return cmd
}

// listedMember is a member as ls prints it.
type listedMember struct {
	Name    *string `json:"name,omitempty"`
	NameHex *string `json:"name_hex,omitempty"`
	Ext     *string `json:"ext,omitempty"`
	Size    int64   `json:"size"`
	Offset  *int64  `json:"offset,omitempty"` // of the content in the plain tar; absent for a changed member
	MTime   float64 `json:"mtime"`            // seconds since 1970
	Mode    string  `json:"mode"`             // octal
	SHA256  string  `json:"sha256,omitempty"`

	text string // the name
	time time.Time
}

// listedSample is a sample as ls prints it.
type listedSample struct {
	Key     *string        `json:"key,omitempty"`
	KeyHex  *string        `json:"key_hex,omitempty"`
	Index   int            `json:"index"`
	Members []listedMember `json:"members"`

	text string // the key
}

func newListedSample(key string, number int) listedSample {
	t := ui.NewJSONText(key)
	return listedSample{Key: t.Text, KeyHex: t.Hex, Index: number, Members: []listedMember{}, text: key}
}

func newListedMember(name string, m index.Member) listedMember {
	t := ui.NewJSONText(name)
	l := listedMember{
		Name: t.Text, NameHex: t.Hex, Size: m.Size, Offset: &m.Data, MTime: float64(m.ModTime.UnixNano()) / 1e9,
		Mode: fmt.Sprintf("%04o", m.Mode), text: name, time: m.ModTime,
	}
	if m.InSample {
		l.Ext = ui.NewJSONText(m.Ext).Text
	}
	return l
}

// listShard lists a shard.
func (o *lsOptions) listShard(ctx context.Context, u *ui.UI, sh *shard.Shard, keys []string) error {
	x := sh.Index
	row := 0
	others := func(end int) error {
		for ; o.all && u.JSON && row < end; row++ {
			if x.InSample(row) {
				continue
			}
			if err := u.Print(newListedMember(x.OutsideName(row), x.Member(row))); err != nil {
				return err
			}
		}
		return nil
	}
	found := make(map[string]bool)
	for n := range x.Samples() {
		s := x.Sample(n)
		if len(keys) > 0 && !slices.Contains(keys, s.Key) {
			continue
		}
		found[s.Key] = true
		l := newListedSample(s.Key, n)
		for row := s.Start; row < s.End && (o.long || u.JSON || len(keys) > 0); row++ {
			if !x.InSample(row) {
				continue
			}
			m := x.Member(row)
			lm := newListedMember(s.Key+"."+m.Ext, m)
			if o.sha256 && u.JSON {
				sum := sha256.New()
				if err := catRow(ctx, sum, sh, row); err != nil {
					return fmt.Errorf("%s: %s.%s: %w", sh.Name, s.Key, m.Ext, err)
				}
				lm.SHA256 = hex.EncodeToString(sum.Sum(nil))
			}
			l.Members = append(l.Members, lm)
		}
		if err := others(s.Start); err != nil {
			return err
		}
		if err := o.print(u, l, len(keys) > 0); err != nil {
			return err
		}
	}
	if err := others(x.Rows()); err != nil {
		return err
	}
	return missing(sh.Name, keys, found)
}

// listMount lists the samples of a mount as they are now.
func (o *lsOptions) listMount(u *ui.UI, over *mounts.Changes, keys []string) error {
	base := source.BaseOf(over.Shard)
	found := make(map[string]bool)
	n := 0
	for f, err := range over.Dirs() {
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
			if len(keys) > 0 && !slices.Contains(keys, s.Key) {
				continue
			}
			found[s.Key] = true
			for _, m := range s.Members() {
				im := index.Member{
					Ext: m.Ext, InSample: true, Size: m.File.Size, ModTime: m.File.ModTime,
					Mode: uint16(m.File.Mode.Perm()),
				}
				if m.File.Row != pack.Changed {
					im = base.Index.Member(m.File.Row)
				}
				lm := newListedMember(s.Key+"."+m.Ext, im)
				if m.File.Row == pack.Changed {
					lm.Offset = nil
				}
				l.Members = append(l.Members, lm)
			}
			if err := o.print(u, l, len(keys) > 0); err != nil {
				return err
			}
		}
	}
	return missing(over.Shard.Name, keys, found)
}

// print prints one sample: its members or only its key.
func (o *lsOptions) print(u *ui.UI, s listedSample, members bool) error {
	switch {
	case u.JSON:
		return u.Print(s)
	case !o.long && !members:
		_, err := fmt.Fprintln(u.Out, ui.Printable(s.text))
		return err
	}
	for _, m := range s.Members {
		var err error
		if o.long {
			changed := m.time.UTC().Format("2006-01-02 15:04:05")
			_, err = fmt.Fprintf(u.Out, "%12d %s %s\n", m.Size, changed, ui.Printable(m.text))
		} else {
			_, err = fmt.Fprintln(u.Out, ui.Printable(m.text))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// missing returns an error for the first of keys that was not found.
func missing(shard string, keys []string, found map[string]bool) error {
	for _, key := range keys {
		if !found[key] {
			return fmt.Errorf("%s: %s: %w", shard, key, errNoSample)
		}
	}
	return nil
}
