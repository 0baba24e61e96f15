package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// fixFlags are the flags for mending shards.
type fixFlags struct {
	fix      bool
	repeated string
}

func (f *fixFlags) add(flags *pflag.FlagSet, usage string) {
	flags.BoolVar(&f.fix, "fix", false, usage)
	flags.StringVar(&f.repeated, "on-duplicate-extension", "error",
		"for --fix, `HOW` if one is twice: error, first, last, rename")
}

// repeated are the values of --on-duplicate-extension.
var repeated = map[string]pack.Repeated{
	"error": pack.RefuseRepeated, "first": pack.KeepFirst, "last": pack.KeepLast, "rename": pack.Renumber,
}

// checkFix returns an error for a mistake in the flags of check.
func (o *packFlags) checkFix() error {
	return firstBroken([]rule{
		{o.fix.fix && o.output.name == "", "-o is missing: where should the mended shard go?"},
		{!o.fix.fix && o.output.name != "", "-o is for --fix"},
	})
}

// options checks the flags and converts them; nil means not to mend. It completes the options of the output, whose flag
// --mtime has a value.
func (f *fixFlags) options(o *pack.Options, mtime string) (*pack.Fix, error) {
	how, ok := repeated[f.repeated]
	switch {
	case !ok:
		return nil, ui.Usagef("--on-duplicate-extension %s: error, first, last or rename", f.repeated)
	case !f.fix && how != pack.RefuseRepeated:
		return nil, ui.Usagef("--on-duplicate-extension is for --fix")
	case !f.fix:
		return nil, nil
	}
	o.DropOutside = true
	if mtime == "sample" {
		o.Times = pack.FileTime // those of the members
	}
	return &pack.Fix{Repeated: how}, nil
}

// reportFixed tells what was mended.
func reportFixed(u *ui.UI, fixed pack.Fixed) {
	var done []string
	for _, less := range []struct {
		n           int
		thing, what string
	}{
		{fixed.Renamed, "member", "renamed"},
		{fixed.Gathered, "sample", "gathered"},
		{fixed.Repeated, "duplicate extension", "resolved"},
		{fixed.Dropped, "member", "outside samples left out"},
	} {
		if less.n > 0 {
			done = append(done, ui.Count(less.n, less.thing)+" "+less.what)
		}
	}
	if len(done) == 0 {
		done = []string{"headers written anew"}
	}
	u.Note("mended: %s", strings.Join(done, ", "))
}
