package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// ErrOnce means that standard input cannot be opened as a shard, because it can be read only once.
var ErrOnce = ui.Usagef("-: standard input can only be run over, packed and checked")

// OpenShard opens a shard. It shows the progress of indexing, unless the caller does, and warns of a truncated shard, of
// trailing bytes and of a second tar. If o.AllowTruncated would avoid the error, the error has a hint.
func OpenShard(ctx context.Context, u *ui.UI, name string, o shard.Options) (*shard.Shard, error) {
	if name == Stdin {
		return nil, ErrOnce
	}
	if o.Progress == nil {
		var p *ui.Progress
		p, o.Progress = ShowIndexing(u, name)
		defer p.Done()
	}
	if _, err := Resolve(name); errors.As(err, new(*ui.UsageError)) {
		return nil, err
	}
	sh, err := shard.Open(ctx, name, o)
	if err != nil {
		return nil, notDir(name, cutHint(err))
	}
	if !sh.Grew() {
		f, err := sh.Built()
		if err != nil {
			return nil, errors.Join(err, sh.Close())
		}
		warn(u, sh.Name, f)
	}
	return sh, nil
}

// ShowIndexing begins to show the progress of indexing a shard, and returns the function that opening it calls; nil if no
// progress is shown.
func ShowIndexing(u *ui.UI, name string) (*ui.Progress, func(read, size int64)) {
	p := u.StartProgress("indexing " + store.Redact(name))
	if p == nil {
		return nil, nil
	}
	return p, func(read, size int64) { p.Set(ui.Work{Bytes: read, Size: size}) }
}

// cutHint adds a hint to the error for a shard that is cut.
func cutHint(err error) error {
	if errors.Is(err, index.ErrTruncated) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ui.WithHint(err, "--allow-truncated serves the whole samples before the cut")
	}
	return err
}

// EachSample calls f with each sample of a shard, as soon as it is whole while the shard is being indexed. f gets the
// index and the sample's number; it must not read the shard. What it returns is called when f may take its time, such as
// to print; its error ends EachSample. At the end EachSample gives the warnings of OpenShard.
func EachSample(ctx context.Context, u *ui.UI, sh *shard.Shard, f func(x *index.Index, n int) func() error) error {
	const most = 1000 // samples while the index does not grow
	for next := 0; ; {
		var later []func() error
		err := sh.Wait(ctx, func(x *index.Index) bool {
			end := x.Samples()
			if sh.Growing() {
				end-- // the last one may get more members
			}
			for ; next < end && len(later) < most; next++ {
				later = append(later, f(x, next))
			}
			return len(later) > 0
		})
		for _, f := range later {
			if err := f(); err != nil {
				return err
			}
		}
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", sh.Name, cutHint(err))
		case len(later) > 0:
		case sh.Grew():
			WarnWhenIndexed(u, sh)
			return nil
		default:
			return nil
		}
	}
}

// notDir adds a hint to the error for a directory, a name like one in a store, or anything else that is no file.
func notDir(name string, err error) error {
	if store.IsRemote(name) && strings.HasSuffix(store.Redact(name), "/") && errors.Is(err, fs.ErrNotExist) {
		return ui.WithHint(err, "it ends in a slash: shards are named one by one, or by a pattern such as "+
			store.Redact(name)+"*.tar")
	}
	if path, pathErr := store.Path(name); pathErr == nil && errors.Is(err, store.ErrNotRegular) {
		hint := "a pipe or device is read as standard input: shardfs run - ... <FILE (or pack -, check -)"
		if info, statErr := os.Stat(path); isMountpoint(path) {
			hint = "ls, run and pack read mounts; any program reads the files in one: " + path + "/KEY/sample.EXT"
		} else if statErr == nil && info.IsDir() {
			hint = "ls, run and pack read mounts; a folder of files becomes a shard: shardfs pack FOLDER -o OUT.tar"
		}
		err = ui.WithHint(err, hint)
	}
	return err
}

// WarnWhenIndexed waits until a growing shard is indexed or closed, and then gives the warnings of OpenShard, or the
// error that ended the indexing.
func WarnWhenIndexed(u *ui.UI, sh *shard.Shard) {
	f, err := sh.Built()
	switch {
	case err == nil:
		warn(u, sh.Name, f)
	case !errors.Is(err, shard.ErrClosed):
		u.Say("error", fmt.Sprintf("%s: %v", sh.Name, err))
	}
}

// warn warns of a shard that is truncated or has trailing bytes but can be read.
func warn(u *ui.UI, name string, f *index.File) {
	if f.Cut != "" {
		u.Warn("%s: %s; %s before it can be read", name, f.Cut, ui.Count(f.Index.Samples(), "whole sample"))
	}
	if f.Trailing > 0 {
		u.Warn("%s: %d bytes after the compressed data are ignored", name, f.Trailing)
	}
	if f.Second > 0 {
		warnSecond(u, name, f.Second, f.Format)
	}
}

// warnSecond warns of a shard that was concatenated with another tar, which begins at plain offset at.
func warnSecond(u *ui.UI, name string, at int64, f codec.Format) {
	const why = "is not shown, and packed only with the unchanged shard"
	u.Warn("%s: another tar begins at byte %d, after the end of the first: it %s", name, at, why)
	before := ""
	if f != codec.Plain {
		before = "once decompressed, "
	}
	u.Say("hint", fmt.Sprintf("%stail -c +%d makes it a shard of its own", before, at+1))
}
