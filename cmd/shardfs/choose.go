package main

import (
	"iter"

	"github.com/spf13/pflag"
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

// all reports whether every sample is taken; keys are those of source.ReadKeys.
func (c *choice) all(keys map[string]bool) bool {
	return c.count == 0 && c.skip == 0 && keys == nil
}

// choose applies --skip, --keys and --count, in this order. Key tells the key of what stands for a sample, and ok is false
// for what stands for none, which is left in its place. What is passed over is freed.
func choose[T any](c *choice, all iter.Seq2[T, error], keys map[string]bool, key func(T) (key string, ok bool), free func(T) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		seen, taken := 0, 0
		for t, err := range all {
			if err != nil {
				yield(t, err)
				return
			}
			key, ok := key(t)
			if ok {
				if seen++; seen <= c.skip || keys != nil && !keys[key] {
					if err := free(t); err != nil {
						yield(t, err)
						return
					}
					continue
				}
				taken++
			}
			if !yield(t, nil) || ok && taken == c.count {
				return
			}
		}
	}
}
