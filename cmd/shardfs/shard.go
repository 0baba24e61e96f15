package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// shardFlags say how a shard is opened.
type shardFlags struct {
	globals   *globals
	index     string
	truncated bool
}

func (f *shardFlags) add(flags *pflag.FlagSet, g *globals) {
	f.globals = g
	flags.StringVar(&f.index, "index", "", "index `FILE`, made if it does not fit; or none")
	flags.BoolVar(&f.truncated, "allow-truncated", false, "serve the whole samples before a cut")
}

func (f *shardFlags) options() shard.Options {
	o := shard.Options{AllowTruncated: f.truncated, Detail: f.globals.Detail}
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

// defaultCacheDir returns where index files are kept; "" where there is no such place.
func defaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "shardfs")
}

// errStream refuses a shard that can only be read once.
var errStream = ui.Usagef("-: standard input can only be run over, packed and checked")

// openShard opens a shard, shows on a terminal how its indexing goes on, and tells what is odd about it.
func openShard(ctx context.Context, u *ui.UI, name string, o shard.Options) (*shard.Shard, error) {
	if name == "-" {
		return nil, errStream
	}
	show, done := u.Progress(store.Redact(name))
	o.Progress = show
	sh, err := shard.Open(ctx, name, o)
	done()
	if err != nil {
		return nil, withTruncatedHint(err)
	}
	if !sh.Growing() {
		warnOfShard(u, sh.Name, sh.Saved)
	}
	return sh, nil
}

// tellOfGrown tells of a shard that is being indexed, once that has ended, why there is no more of it or what is odd.
func tellOfGrown(u *ui.UI, sh *shard.Shard) {
	f, err := sh.Built()
	switch {
	case err == nil:
		warnOfShard(u, sh.Name, f)
	case !errors.Is(err, shard.ErrClosed):
		u.Say("error", fmt.Sprintf("%s: %v", sh.Name, err))
	}
}

// withTruncatedHint tells of --allow-truncated where it would help.
func withTruncatedHint(err error) error {
	if errors.Is(err, index.ErrTruncated) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ui.WithHint(err, "--allow-truncated serves the whole samples before the cut")
	}
	return err
}

// warnOfShard tells what is odd about a shard that can be read all the same.
func warnOfShard(u *ui.UI, name string, f *index.Saved) {
	if f.Cut != "" {
		u.Warn("%s: %s; %s before it can be read", name, f.Cut, ui.Count(f.Index.Samples(), "whole sample"))
	}
	if f.Trailing > 0 {
		u.Warn("%s: %d bytes behind the compressed data are ignored", name, f.Trailing)
	}
}
