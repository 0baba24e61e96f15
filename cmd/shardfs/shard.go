package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// shardFlags are the flags for opening shards.
type shardFlags struct {
	globals   *globals
	index     string
	truncated bool

	provisional bool // see shard.Options; not a flag
}

func (f *shardFlags) add(flags *pflag.FlagSet, g *globals) {
	f.globals = g
	flags.StringVar(&f.index, "index", "", "index `FILE`, rebuilt if it does not fit; or none")
	flags.BoolVar(&f.truncated, "allow-truncated", false, "serve the whole samples before a cut")
}

func (f *shardFlags) options() shard.Options {
	g := f.globals
	if g.shared == nil {
		g.shared = shard.NewShared(int64(g.cacheSize))
		g.shared.KeepOn(g.stores.disk)
	}
	o := shard.Options{
		Store: g.stores, AllowTruncated: f.truncated, Detail: g.Detail, Warn: g.WarnOnce,
		Shared: g.shared, Provisional: f.provisional,
	}
	switch f.index {
	case "":
		o.CacheDir = g.cache()
	case "none":
		o.NoIndex = true
	default:
		o.IndexFile = f.index
	}
	return o
}

// cache returns the cache directory; "" if there is none.
func (g *globals) cache() string {
	if g.cacheDir != "" {
		return g.cacheDir
	}
	return g.defaultCacheDir()
}

// keepIn returns the absolute path of the cache directory if bytes of shards are kept there, else "".
func (g *globals) keepIn() string {
	if g.cacheSize == 0 {
		return ""
	}
	dir := g.cache()
	if dir == "" {
		return ""
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		g.Detail("no bytes of shards are kept: %v", err)
		return ""
	}
	return dir
}

// defaultCacheDir returns the directory of index files; "" if the user has no cache directory. Root gets none below the
// home of another user, as after sudo -E: the directories that it would make there would lock that user out.
func (g *globals) defaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir = filepath.Join(dir, "shardfs")
	if at, owner := placeOf(dir); os.Geteuid() == 0 && owner != 0 {
		g.Detail("%s: no index is kept there: %s belongs to user %d; --cache-dir names another place", dir, at, owner)
		return ""
	}
	return dir
}

// placeOf returns the closest directory that exists, dir or one above it, and its owner.
func placeOf(dir string) (at string, owner int) {
	var st unix.Stat_t
	for at = dir; unix.Stat(at, &st) != nil && at != filepath.Dir(at); {
		at = filepath.Dir(at)
	}
	return at, int(st.Uid)
}

// source returns the options to open sources with.
func (f *shardFlags) source() source.Options {
	return source.Options{Shard: f.options(), Stdin: os.Stdin, Stderr: f.globals.CommandErr(), UI: f.globals.UI}
}

// looking returns the options of verbs that look at samples one by one: a folder of files has samples, too.
func (f *shardFlags) looking() source.Options {
	o := f.source()
	o.Folder = &folder.Options{Stat: true}
	return o
}

// shardsAndKeys is the help on arguments that are shards and then keys.
const shardsAndKeys = `An argument after the first is a shard, too, if it is a file, a URL, @FILE (one
shard a line) or a pattern, name-{0000..0147}.tar, and not a key of the first
one. After -- there are only keys.`

// split splits the arguments of a verb into the names of shards and keys.
func (f *shardFlags) split(cmd *cobra.Command, args []string) (names, keys []string, err error) {
	names, keys, err = source.Split(cmd.Context(), args, cmd.ArgsLenAtDash(), f.source())
	if err != nil {
		return nil, nil, err
	}
	return names, keys, errors.Join(f.checkFor(names), f.checkRead(names))
}

// checkFor returns an error if one index file is to be that of several shards.
func (f *shardFlags) checkFor(names []string) error {
	if len(names) > 1 && f.index != "" && f.index != "none" {
		return ui.Usagef("--index %s: there are %d shards", f.index, len(names))
	}
	return nil
}

// notTyped returns a usage error if a shard is to be read from a terminal.
func notTyped(names []string) error {
	if !slices.Contains(names, source.Stdin) || !ui.IsTerminal(os.Stdin) {
		return nil
	}
	return source.Typed("-: standard input is")
}

// names expands and resolves the arguments of a verb that reads shards, mounts, directories and streams.
func (f *shardFlags) names(ctx context.Context, args []string, allowPipe bool) ([]source.Name, error) {
	names, err := f.expand(ctx, args, allowPipe)
	if err != nil {
		return nil, err
	}
	return source.ResolveAll(names)
}

// expand expands the arguments of such a verb.
func (f *shardFlags) expand(ctx context.Context, args []string, allowPipe bool) ([]string, error) {
	names, err := source.Expand(ctx, f.globals.stores, args)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(names, pipe.Is); i >= 0 && !allowPipe {
		return nil, errPipeAllowed(names[i])
	}
	return names, errors.Join(f.checkFor(names), notTyped(names))
}
