package main

import (
	"encoding/hex"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// addTruncatedFlag adds the flag that lets a shard be cut short.
func addTruncatedFlag(flags *pflag.FlagSet, truncated *bool) {
	flags.BoolVar(truncated, "allow-truncated", false, "serve the whole samples before a cut")
}

// errStream refuses a shard that can only be read once.
var errStream = usagef("-: standard input can only be run over")

// openShard opens a shard, shows on a terminal how its indexing goes on, and tells what is odd about it.
func openShard(ui *ui, name string, o shard.Options) (*shard.Shard, error) {
	if name == "-" {
		return nil, errStream
	}
	show, done := ui.progress(store.Redact(name))
	o.Progress = show
	sh, err := shard.Open(name, o)
	done()
	if err != nil {
		return nil, withTruncatedHint(err)
	}
	warnOfShard(ui, sh)
	return sh, nil
}

// withTruncatedHint tells of --allow-truncated where it would help.
func withTruncatedHint(err error) error {
	if errors.Is(err, index.ErrTruncated) || errors.Is(err, io.ErrUnexpectedEOF) {
		return hinted{err, "--allow-truncated serves the whole samples before the cut"}
	}
	return err
}

// warnOfShard tells what is odd about a shard that can be read all the same.
func warnOfShard(ui *ui, sh *shard.Shard) {
	if sh.Cut != "" {
		ui.warn("%s: %s; %s before it can be read", sh.Name, sh.Cut, count(sh.Index.Samples(), "whole sample"))
	}
	if sh.Trailing > 0 {
		ui.warn("%s: %d bytes behind the compressed data are ignored", sh.Name, sh.Trailing)
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
