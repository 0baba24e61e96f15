package main

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/ui"
)

// globals are the flags that all verbs share, and the state of this process.
type globals struct {
	*ui.UI
	cacheDir  string // directory of cached index files and of bytes of remote shards; "" means defaultCacheDir
	cacheSize size   // see shard.NewShared; bytes of shards are kept on disk only if it is given
	shared    *shard.Shared
	stores    *stores
	private   bool            // this process has its own mount namespace
	hurry     <-chan struct{} // closed by a second signal
	helper    bool            // mount(8) has started this process, see execute
}

func (g *globals) add(flags *pflag.FlagSet) {
	flags.BoolVarP(&g.Quiet, "quiet", "q", false, "print no notes and no progress, only warnings and errors")
	flags.BoolVarP(&g.Verbose, "verbose", "v", false, "also print what is done and why")
	flags.BoolVar(&g.JSON, "json", false, "print results as JSON, one object per line")
	flags.StringVar(&g.cacheDir, "cache-dir", "", "cache in `DIR` (default ~/.cache/shardfs)")
	flags.Var(&g.cacheSize, "cache-size", "keep `S` bytes of indexes, S of shards, S in memory")
	flags.StringVar(&g.LogFormat, "log-format", "text", "`FORMAT` of messages: text or json")
	flags.StringVar(&g.Progress, "progress", "auto", "show progress `WHEN`: auto, always, never, or as json")
}

// check returns an error for invalid values.
func (g *globals) check() error {
	if g.LogFormat != "text" && g.LogFormat != "json" {
		return ui.Usagef("--log-format: %q is neither text nor json", g.LogFormat)
	}
	if progress := progressValues(); !slices.Contains(progress, g.Progress) {
		return ui.Usagef("--progress %s: %s", g.Progress, oneOf(progress))
	}
	if g.stores != nil { // not so where only help is wanted
		g.stores.keep = kept{g.keepIn(), int64(g.cacheSize)}
	}
	g.Dumb = os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb" || os.Getenv("CI") != ""
	g.Out = g.Through(os.Stdout, os.Stdout)
	return nil
}

// progressValues are the values of --progress.
func progressValues() []string {
	return []string{ui.ProgressAuto, ui.ProgressAlways, ui.ProgressNever, ui.ProgressJSON}
}

// oneOf returns values as words: "a, b or c".
func oneOf(values []string) string {
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
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
