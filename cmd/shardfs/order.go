package main

import (
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// orderFlags are the flags for the order in which samples are packed.
type orderFlags struct{ pack.Order }

func (f *orderFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.Sort, "sort", "", "sort by `WHAT`: key, or a member's text, such as cls")
	flags.IntVar(&f.Shuffle, "shuffle", 0, "shuffle samples, `N` of them at a time")
	flags.Uint64Var(&f.Seed, "seed", 0, "seed `S` for --shuffle, for the same bytes again")
}

// check returns an error for flags that exclude each other; flags are those of the command line.
func (f *orderFlags) check(flags *pflag.FlagSet) error {
	others := flags.Lookup("others")
	switch {
	case f.Shuffle < 0:
		return ui.Usagef("--shuffle %d: at least 1", f.Shuffle)
	case f.Sort != "" && f.Shuffle > 0:
		return ui.Usagef("--sort and --shuffle exclude each other")
	case f.Shuffle == 0 && flags.Changed("seed"):
		return ui.Usagef("--seed is for --shuffle")
	case f.Given() && others.Changed && others.Value.String() == "keep":
		return ui.Usagef("--others keep: members outside samples have no place in another order")
	}
	return nil
}
