package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// shardFlags say how a shard is opened.
type shardFlags struct {
	index     string
	truncated bool
}

func (f *shardFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.index, "index", "", "index `FILE`, made if it does not fit; or none")
	flags.BoolVar(&f.truncated, "allow-truncated", false, "serve the whole samples before a cut")
}

func (f *shardFlags) options(ui *ui) shard.Options {
	o := shard.Options{AllowTruncated: f.truncated, Detail: ui.detail}
	switch f.index {
	case "":
		if o.CacheDir = ui.cacheDir; o.CacheDir == "" {
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
var errStream = usagef("-: standard input can only be run over, packed and checked")

// openShard opens a shard, shows on a terminal how its indexing goes on, and tells what is odd about it.
func openShard(ctx context.Context, ui *ui, name string, o shard.Options) (*shard.Shard, error) {
	if name == "-" {
		return nil, errStream
	}
	show, done := ui.progress(store.Redact(name))
	o.Progress = show
	sh, err := shard.Open(ctx, name, o)
	done()
	if err != nil {
		return nil, withTruncatedHint(err)
	}
	if !sh.Growing() {
		warnOfShard(ui, sh.Name, sh.Saved)
	}
	return sh, nil
}

// tellOfGrown tells of a shard that is being indexed, once that has ended, why there is no more of it or what is odd.
func tellOfGrown(ui *ui, sh *shard.Shard) {
	f, err := sh.Built()
	switch {
	case err == nil:
		warnOfShard(ui, sh.Name, f)
	case !errors.Is(err, shard.ErrClosed):
		ui.say("error", fmt.Sprintf("%s: %v", sh.Name, err))
	}
}

// withTruncatedHint tells of --allow-truncated where it would help.
func withTruncatedHint(err error) error {
	if errors.Is(err, index.ErrTruncated) || errors.Is(err, io.ErrUnexpectedEOF) {
		return hinted{err, "--allow-truncated serves the whole samples before the cut"}
	}
	return err
}

// warnOfShard tells what is odd about a shard that can be read all the same.
func warnOfShard(ui *ui, name string, f *index.Saved) {
	if f.Cut != "" {
		ui.warn("%s: %s; %s before it can be read", name, f.Cut, count(f.Index.Samples(), "whole sample"))
	}
	if f.Trailing > 0 {
		ui.warn("%s: %d bytes behind the compressed data are ignored", name, f.Trailing)
	}
}

// jsonText is a text as it is put into JSON: as it is where it can be, and else in hexadecimal.
type jsonText struct{ text, hex *string }

func newJSONText(s string) jsonText {
	if utf8.ValidString(s) {
		return jsonText{text: &s}
	}
	h := hex.EncodeToString([]byte(s))
	return jsonText{hex: &h}
}
