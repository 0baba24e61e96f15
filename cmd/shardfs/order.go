package main

import (
	"iter"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// orderFlags say in which order samples are packed.
type orderFlags struct {
	sort    string // "": as they come
	shuffle int    // of how many samples each is chosen; 0: none is
	seed    uint64
}

func (f *orderFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.sort, "sort", "", "sort by `WHAT`: key, or a member's text, as cls")
	flags.IntVar(&f.shuffle, "shuffle", 0, "shuffle samples, `N` of them at a time")
	flags.Uint64Var(&f.seed, "seed", 0, "`S` of --shuffle: the same gives the same bytes")
}

// given reports whether the order is not that of the shards.
func (f *orderFlags) given() bool { return f.sort != "" || f.shuffle != 0 }

// check refuses what makes no sense; flags are those of the command line.
func (f *orderFlags) check(flags *pflag.FlagSet) error {
	others := flags.Lookup("others")
	switch {
	case f.shuffle < 0:
		return ui.Usagef("--shuffle %d: at least 1", f.shuffle)
	case f.sort != "" && f.shuffle > 0:
		return ui.Usagef("--sort and --shuffle exclude each other")
	case f.shuffle == 0 && flags.Changed("seed"):
		return ui.Usagef("--seed is for --shuffle")
	case f.given() && others.Changed && others.Value.String() == "keep":
		return ui.Usagef("--others keep: members outside samples have no place in another order")
	}
	return nil
}

// apply puts samples into order.
func (f *orderFlags) apply(samples iter.Seq2[pack.Sample, error]) iter.Seq2[pack.Sample, error] {
	switch {
	case f.shuffle > 0:
		return pack.Shuffle(samples, f.shuffle, f.seed)
	case f.sort == "key":
		return pack.Sort(samples, "")
	}
	return pack.Sort(samples, f.sort)
}
