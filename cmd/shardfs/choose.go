package main

import (
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/pack"
)

// choice are the flags that say which samples are taken.
type choice struct {
	count int // 0: all
	skip  int
	keys  string
}

func (c *choice) add(flags *pflag.FlagSet) {
	flags.IntVarP(&c.count, "count", "n", 0, "take only `N` samples")
	flags.IntVar(&c.skip, "skip", 0, "pass over the first `N` samples")
	flags.StringVar(&c.keys, "keys", "", "take only the keys in `FILE`, one a line")
}

// of returns the flags as package pack takes them; keys are those of source.ReadKeys.
func (c *choice) of(keys map[string]bool) pack.Choice {
	return pack.Choice{Skip: c.skip, Keys: keys, Count: c.count}
}
