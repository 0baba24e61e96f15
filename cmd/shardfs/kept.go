package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// isStream reports whether a name is that of a stream.
func isStream(n source.Name) bool { return n.Kind == source.Stream }

// foresee returns the error of a run that is a mistake for reasons that are known before any work.
func (o *runFlags) foresee(ctx context.Context, args []string, names []source.Name, j job.Options) error {
	if err := o.refuseRedirected(names); err != nil {
		return err
	}
	return o.checkFiles(ctx, args, names, &j)
}

// refuseRedirected returns an error for a run without -o over a stream whose standard output is a file with the name of
// a tar: programs like tarproc write their result there.
func (o *runFlags) refuseRedirected(names []source.Name) error {
	if !slices.ContainsFunc(names, isStream) || o.output.name != "" {
		return nil
	}
	name := standardName()
	if _, ok := codec.FormatOf(name); !ok {
		return nil
	}
	err := ui.Usagef("%s: run writes no tar to standard output, %s, unless it is told to",
		source.NameOfAll(names), filepath.Base(name))
	return ui.WithHint(err, "-o - writes the samples to standard output")
}

// standardName returns the name of the file to which standard output is redirected; "" if it is none.
func standardName() string {
	name, err := os.Readlink("/proc/self/fd/1")
	if err != nil || !filepath.IsAbs(name) {
		return "" // no /proc, or a pipe or socket
	}
	return name
}

// warnRedirected warns of an output to standard output, which is plain, if that is a file with the name of a compressed one.
func warnRedirected(u *ui.UI) {
	name := filepath.Base(standardName())
	if f, ok := codec.FormatOf(name); ok && f != codec.Plain {
		u.Warn("-o -: standard output, %s, gets a tar that is not compressed", name)
		u.Say("hint", "-o "+name+" compresses it")
	}
}

// warnLost warns of changes that were not kept.
func (o *runFlags) warnLost(u *ui.UI, names []source.Name, s job.Summary) {
	if s.Lost == 0 {
		return
	}
	u.Warn("%s: the changes of %s were not kept", source.NameOfAll(names), ui.Count(s.Lost, "sample"))
	if slices.ContainsFunc(names, isStream) && s.Printed == 0 {
		u.Say("hint", "-o - writes the samples to standard output, -o OUT to a new shard")
	} else {
		u.Say("hint", "-o OUT keeps them, in a new shard")
	}
}
