package main

import (
	"strconv"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/ui"
)

// globals are the flags that all verbs share, and the state of this process.
type globals struct {
	*ui.UI
	cacheDir  string // directory of cached index files; "" means defaultCacheDir
	cacheSize size   // see shard.Options.CacheLimit and shard.NewBlocks
	blocks    *codec.Cache
	private   bool // this process has its own mount namespace
}

func (g *globals) add(flags *pflag.FlagSet) {
	flags.BoolVarP(&g.Quiet, "quiet", "q", false, "print no notes, only warnings and errors")
	flags.BoolVarP(&g.Verbose, "verbose", "v", false, "also print what is done and why")
	flags.BoolVar(&g.JSON, "json", false, "print results as JSON, one object per line")
	flags.StringVar(&g.cacheDir, "cache-dir", "", "cache index files in `DIR` (default ~/.cache/shardfs)")
	flags.Var(&g.cacheSize, "cache-size", "keep `S` bytes of index files, and of decompressed blocks in memory")
	flags.StringVar(&g.LogFormat, "log-format", "text", "`FORMAT` of messages: text or json")
}

// check returns an error for invalid values.
func (g *globals) check() error {
	if g.LogFormat != "text" && g.LogFormat != "json" {
		return ui.Usagef("--log-format: %q is neither text nor json", g.LogFormat)
	}
	return nil
}

// size is a number of bytes as a flag; see output.ParseSize.
type size int64

// String implements pflag.Value. Zero stands for the default.
func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	n, err := output.ParseSize(text)
	*s = size(n)
	return err
}

// Type implements pflag.Value.
func (*size) Type() string { return "bytes" }
