package main

import (
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/ui"
)

// globals are the flags that all verbs share, and the state of this process.
type globals struct {
	*ui.UI
	cacheDir string // directory of cached index files; "" means defaultCacheDir
	private  bool   // this process has its own mount namespace
}

func (g *globals) add(flags *pflag.FlagSet) {
	flags.BoolVarP(&g.Quiet, "quiet", "q", false, "print no notes, only warnings and errors")
	flags.BoolVarP(&g.Verbose, "verbose", "v", false, "also print what is done and why")
	flags.BoolVar(&g.JSON, "json", false, "print results as JSON, one object per line")
	flags.StringVar(&g.cacheDir, "cache-dir", "", "cache index files in `DIR` (default ~/.cache/shardfs)")
	flags.StringVar(&g.LogFormat, "log-format", "text", "`FORMAT` of messages: text or json")
}

// check returns an error for invalid values.
func (g *globals) check() error {
	if g.LogFormat != "text" && g.LogFormat != "json" {
		return ui.Usagef("--log-format: %q is neither text nor json", g.LogFormat)
	}
	return nil
}
