package main

import (
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/ui"
)

// globals are the flags that all verbs share, and what is known of this process.
type globals struct {
	*ui.UI
	cacheDir string // where index files are kept; "": see defaultCacheDir
	private  bool   // this process is in a mount namespace of its own
}

func (g *globals) add(flags *pflag.FlagSet) {
	flags.BoolVarP(&g.Quiet, "quiet", "q", false, "print no notes, only warnings and errors")
	flags.BoolVarP(&g.Verbose, "verbose", "v", false, "say also what is done and why")
	flags.BoolVar(&g.JSON, "json", false, "print results as JSON, one object a line")
	flags.StringVar(&g.cacheDir, "cache-dir", "", "keep index files in `DIR` (default ~/.cache/shardfs)")
	flags.StringVar(&g.LogFormat, "log-format", "text", "`FORMAT` of messages: text or json")
}

// check refuses invalid values.
func (g *globals) check() error {
	if g.LogFormat != "text" && g.LogFormat != "json" {
		return ui.Usagef("--log-format: %q is neither text nor json", g.LogFormat)
	}
	return nil
}
