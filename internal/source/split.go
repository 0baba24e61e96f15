package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// Split splits the arguments of a command line into names, expanded as by [Expand], and keys. The first argument names
// shards, and so does each after it that looks as if it did and is not a key of the first shard. The first that does
// not, and all after it, are keys. Dash is how many arguments there are before a -- of the command line, after which all
// are keys; -1 means that there is none.
func Split(ctx context.Context, args []string, dash int, o Options) (names, keys []string, err error) {
	if dash >= 0 {
		args, keys = args[:dash], args[dash:]
	}
	if len(args) == 0 {
		return nil, nil, ui.Usagef("no shard before --")
	}
	if names, err = Expand(ctx, o.Shard.Store, args[:1]); err != nil {
		return nil, nil, err
	}
	first := firstShard{name: names[0], o: o}
	defer first.close()
	for i, arg := range args[1:] {
		isKey := !namesShard(arg)
		if !isKey {
			if isKey, err = first.has(ctx, arg); err != nil {
				return nil, nil, shardFirst(names[0], err)
			}
		}
		if isKey {
			return names, append(args[1+i:len(args):len(args)], keys...), nil
		}
		more, err := Expand(ctx, o.Shard.Store, []string{arg})
		if err != nil {
			return nil, nil, err
		}
		names = append(names, more...)
	}
	return names, keys, nil
}

// shardFirst adds a hint to the error for a first argument that is not there before one that is: it may be a key.
func shardFirst(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && ui.HintOf(err) == "" && codec.TrimSuffix(name) == name {
		return ui.WithHint(err, "the shard comes first, then keys")
	}
	return err
}

// namesShard reports whether an argument that may be a key looks like the name of a shard: it is a file or directory, a
// URL, a list of names, or a pattern with braces.
func namesShard(arg string) bool {
	if _, err := os.Lstat(arg); err == nil {
		return true
	}
	if scheme, _ := store.Split(arg); scheme != store.FileScheme || strings.HasPrefix(arg, store.FileScheme+"://") {
		return true
	}
	if file, listed := strings.CutPrefix(arg, "@"); listed {
		if store.IsRemote(file) {
			return true
		}
		_, err := os.Stat(file)
		return err == nil
	}
	names, err := expandBraces(arg)
	return err == nil && len(names) > 1
}

// firstShard answers whether an argument is a key of the first shard of a command line. It is opened when it is asked.
type firstShard struct {
	name string
	o    Options
	open *Source
}

// has reports whether the shard, or the mount, has a sample or a member of a name.
func (f *firstShard) has(ctx context.Context, name string) (bool, error) {
	if f.open == nil {
		n, err := Resolve(f.name)
		if err != nil || n.Kind == Stream {
			return false, err
		}
		if n.Kind == Dir {
			_, err := os.Lstat(filepath.Join(n.Path, name))
			return err == nil, nil
		}
		if f.open, err = Open(ctx, n, f.o); err != nil {
			return false, err
		}
	}
	x := f.open.Shard.Index
	if _, ok := x.FindKey(name); ok {
		return true, nil
	}
	_, ok := rowOf(x, name)
	return ok, nil
}

func (f *firstShard) close() {
	if f.open != nil {
		f.open.Close()
	}
}

// NameOf returns the name of one shard, or how many there are, for messages.
func NameOf(names []string) string {
	if len(names) == 1 {
		return Name{Text: names[0]}.String()
	}
	return ui.Count(len(names), "shard")
}
