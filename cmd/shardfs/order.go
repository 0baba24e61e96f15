package main

import (
	"iter"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/pack"
)

// orderFlags say in which order samples are packed.
type orderFlags struct {
	sort string // "": as they come
}

func (f *orderFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.sort, "sort", "", "sort samples by `WHAT`: key, or the text of a member, as cls")
}

// given reports whether the order is not that of the shards.
func (f *orderFlags) given() bool { return f.sort != "" }

// check refuses what makes no sense; flags are those of the command line.
func (f *orderFlags) check(flags *pflag.FlagSet) error {
	if others := flags.Lookup("others"); f.given() && others.Changed && others.Value.String() == "keep" {
		return usagef("--others keep: members outside samples have no place in another order")
	}
	return nil
}

// apply puts samples into order.
func (f *orderFlags) apply(samples iter.Seq2[pack.Sample, error]) iter.Seq2[pack.Sample, error] {
	if f.sort == "key" {
		return pack.Sort(samples, "")
	}
	return pack.Sort(samples, f.sort)
}
