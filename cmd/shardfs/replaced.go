package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// warnReplaced warns of values of flags that later ones on the command line have replaced.
func (g *globals) warnReplaced(cmd *cobra.Command) {
	if g.private {
		return // the process that has started this one, with the same command line, has warned
	}
	_, words, err := cmd.Root().Find(os.Args[1:])
	if err != nil {
		return
	}
	type given struct{ flag, value string }
	last := make(map[pflag.Value]given) // by value, because a flag may have an alias
	flags := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	flags.AddFlagSet(cmd.Flags())
	flags.ParseAll(words, func(f *pflag.Flag, value string) error {
		if kind := f.Value.Type(); kind == "bool" || kind == "stringSlice" || kind == "stringArray" {
			return nil // takes several, or has one value only
		}
		if before, ok := last[f.Value]; ok && before.value != value {
			g.Warn("--%s %s is not used: --%s %s comes after it", before.flag, before.value, f.Name, value)
		}
		last[f.Value] = given{f.Name, value}
		return nil
	})
}
