package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
)

// shardFlags are the flags for opening shards.
type shardFlags struct {
	globals   *globals
	index     string
	truncated bool
}

func (f *shardFlags) add(flags *pflag.FlagSet, g *globals) {
	f.globals = g
	flags.StringVar(&f.index, "index", "", "index `FILE`, rebuilt if it does not fit; or none")
	flags.BoolVar(&f.truncated, "allow-truncated", false, "serve the whole samples before a cut")
}

func (f *shardFlags) options() shard.Options {
	o := shard.Options{Store: stores(), AllowTruncated: f.truncated, Detail: f.globals.Detail}
	switch f.index {
	case "":
		if o.CacheDir = f.globals.cacheDir; o.CacheDir == "" {
			o.CacheDir = defaultCacheDir()
		}
	case "none":
		o.NoIndex = true
	default:
		o.IndexFile = f.index
	}
	return o
}

// defaultCacheDir returns the directory of index files; "" if the user has no cache directory.
func defaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "shardfs")
}

// source returns the options to open sources with.
func (f *shardFlags) source() source.Options {
	return source.Options{Shard: f.options(), Stdin: os.Stdin, Stderr: os.Stderr, UI: f.globals.UI}
}
