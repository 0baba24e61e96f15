package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/source"
)

// flagValues are the values of flags that have only a few, for shells to complete.
func flagValues() map[string][]string {
	return map[string][]string{
		"export": indexformat.Names(), "if-exists": {"fail", "skip", "overwrite"}, "index": {"none"},
		"jobs": {"auto", "50%"}, "log-format": {"text", "json"}, "missing-keys": {"error", "ignore"},
		"mtime": {"sample", "file", "now"}, "on-duplicate-key": {"error", "keep", "rename"},
		"on-duplicate-extension": {"error", "first", "last", "rename"},
		"format":                 {"yaml", "json"}, "fuse": {"device:", "privileged"}, "user": {"image"},
		"on-error": {"stop", "skip", "keep"}, "others": {"keep", "drop"},
		"base": {"auto", "kernel", "fuse"}, "overlay": {"auto", "kernel", "fuse"},
		"progress": progressValues(), "workspace": {"auto", "fuse", "dir"},
	}
}

// completeFlags completes the values of a verb's flags.
func completeFlags(cmd *cobra.Command) {
	for name, values := range flagValues() {
		directive := cobra.ShellCompDirectiveNoFileComp
		if name == "index" {
			directive = cobra.ShellCompDirectiveDefault // or a file
		}
		if cmd.Flags().Lookup(name) != nil || cmd.PersistentFlags().Lookup(name) != nil {
			cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, directive))
		}
	}
}

// completion is a function that completes an argument.
type completion = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// completeKeys completes the keys of the first shard, or its members, after it.
func completeKeys(from *shardFlags, members bool) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		// A shard without an index takes a while, and nobody waits longer for a key.
		ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
		defer cancel()
		return source.CompleteKey(ctx, args[0], prefix, members, from.options()), cobra.ShellCompDirectiveDefault
	}
}

// completeMountpoints completes mountpoints, or else directories.
func completeMountpoints(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if found := source.CompleteMountpoint(prefix); len(found) > 0 {
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeSources completes mountpoints and files.
func completeSources(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return source.CompleteMountpoint(prefix), cobra.ShellCompDirectiveDefault
}
