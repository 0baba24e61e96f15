package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// outputFlags are the flags for outputs.
type outputFlags struct {
	flag     string // that names it; "" means -o
	name     string
	level    int
	ifExists string
	others   string
	mtime    string
	fields   string
	rekey    string
	equal    string // what to do about equal keys

	allowPipe  bool
	writeIndex bool
	export     string

	ofTask bool // of a task of an array: each shard has its own

	flags   *pflag.FlagSet  // they were added to; nil: none
	pattern *output.Pattern // set by options; nil: all shards go into one output
}

func (o *outputFlags) add(flags *pflag.FlagSet) {
	o.flags = flags
	suffixes := strings.Join(output.Suffixes(), ", ")
	flags.StringVarP(&o.name, "output", "o", "", "write to `OUT`: "+suffixes+", -; {name}.tar: one a shard")
	flags.IntVar(&o.level, "level", 1, "compression level `N`: "+outputLevels())
	flags.StringVar(&o.ifExists, "if-exists", "",
		"`HOW` if OUT exists: overwrite, skip, fail; default overwrite, skip with {name}")
	flags.StringVar(&o.others, "others", "keep", "`HOW` of members outside samples: keep, drop")
	flags.BoolVar(&o.allowPipe, "allow-pipe", false, "allow pipe:COMMAND as shard and output")
	flags.StringVar(&o.mtime, "mtime", "sample", "`TIME` of new members: sample, file, now, @SECONDS")
	flags.StringVar(&o.fields, "fields", "", "keep only members `SPEC`: 'cls jpg=jpeg,png'")
	flags.StringVar(&o.rekey, "rekey", "", "new keys: `FORMAT` of %d, %09d (a number), {key}")
	flags.StringVar(&o.equal, "on-duplicate-key", "error", "`HOW` if two have a key: error, keep, rename")
}

// outputLevels returns the compression levels of each format, for help.
func outputLevels() string {
	var list []string
	for _, f := range codec.Outputs() {
		if lowest, highest := f.Levels(); f != codec.Plain {
			list = append(list, fmt.Sprintf("%d to %d for %s", lowest, highest, f))
		}
	}
	return strings.Join(list, ", ")
}

// addIndex adds the flags for indexes beside the output.
func (o *outputFlags) addIndex(flags *pflag.FlagSet) {
	flags.BoolVar(&o.writeIndex, "write-index", false, "write an index file beside the output")
	formats := strings.Join(indexformat.Names(), ", ")
	flags.StringVar(&o.export, "export", "", "write indexes for other tools: `FORMATS` of "+formats)
}

// given reports whether the user has given a flag.
func (o *outputFlags) given(name string) bool { return o.flags != nil && o.flags.Changed(name) }

// isFile reports whether the output is a file.
func (o *outputFlags) isFile() bool { return (&output.Options{Name: o.name}).IsFile() }

// options checks the flags and converts them.
func (o *outputFlags) options(g *globals) (output.Options, error) {
	u := g.UI
	out := output.Options{
		Name: o.name, Level: o.level, Sidecar: o.writeIndex, Stdout: os.Stdout, Stderr: u.CommandErr(), UI: u,
		Store: g.stores,
	}
	var err error
	parse := output.ParsePattern
	if o.ofTask && out.IsFile() {
		parse = output.ParseTaskPattern
	}
	if o.pattern, err = parse(cmp.Or(o.flag, "-o"), o.name); err != nil {
		return out, err
	}
	switch o.ifExists {
	case "":
		if o.pattern != nil {
			out.IfExists = output.Skip // so that a second command does what is missing
		}
	case "overwrite":
		out.Purge = true
	case "skip":
		out.IfExists = output.Skip
	case "fail":
		out.IfExists = output.Fail
	default:
		return out, ui.Usagef("--if-exists %s: overwrite, skip or fail", o.ifExists)
	}
	switch {
	case o.others != "keep" && o.others != "drop":
		return out, ui.Usagef("--others %s: keep or drop", o.others)
	case o.name != "" && !out.IsFile() && (o.writeIndex || o.export != ""):
		return out, ui.Usagef("-o %s: an index can be written only beside a file", pipe.Shown(o.name))
	case pipe.Is(o.name) && !o.allowPipe:
		return out, errPipeAllowed(o.name)
	case o.name == output.Stdout && ui.IsTerminal(os.Stdout):
		err := ui.Usagef("-o -: standard output is a terminal, and a tar is not for reading")
		return out, ui.WithHint(err, "name a file, or pipe it to a program")
	}
	if out.Exports, err = exportFormats(o.export); err != nil {
		return out, err
	}
	if out.Pack, err = o.packOptions(); err != nil {
		return out, err
	}
	format, err := out.Format()
	if len(out.Exports) > 0 && format != codec.Plain {
		const why = "needs a plain output: members of a compressed one have no offsets in the file"
		return out, ui.Usagef("--export %s: %s", out.Exports[0], why)
	}
	if err != nil {
		return out, err
	}
	if o.name == output.Stdout && !g.private { // the first process of a run has said it
		warnRedirected(u)
	}
	return out, o.checkLevel(format)
}

// checkLevel returns an error if the output cannot be compressed at the level, or is not compressed at all.
func (o *outputFlags) checkLevel(format codec.Format) error {
	lowest, highest := format.Levels()
	switch {
	case format == codec.Plain && o.given("level"):
		return ui.Usagef("--level %d: %s is not compressed", o.level, pipe.Shown(o.name))
	case format != codec.Plain && (o.level < lowest || o.level > highest):
		return ui.Usagef("--level %d: from %d to %d", o.level, lowest, highest)
	}
	return nil
}

func (o *outputFlags) packOptions() (p pack.Options, err error) {
	p.DropOutside = o.others == "drop"
	seconds, fixed := strings.CutPrefix(o.mtime, "@")
	switch {
	case o.mtime == "sample":
	case o.mtime == "file":
		p.Times = pack.FileTime
	case o.mtime == "now":
		p.Times, p.Fixed = pack.FixedTime, time.Now()
	case fixed:
		n, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return p, ui.Usagef("--mtime %s: not a number of seconds", o.mtime)
		}
		p.Times, p.Fixed = pack.FixedTime, time.Unix(n, 0)
	default:
		return p, ui.Usagef("--mtime %s: sample, file, now or @SECONDS", o.mtime)
	}
	if o.fields != "" {
		if p.Selection, err = pack.ParseSelection(o.fields); err != nil {
			return p, ui.Usagef("--fields %s: %w", o.fields, err)
		}
	}
	var ok bool
	if p.Duplicates, ok = duplicates[o.equal]; !ok {
		return p, ui.Usagef("--on-duplicate-key %s: error, keep or rename", o.equal)
	}
	p.Rekey, err = output.ParseRekey(o.rekey)
	return p, err
}

// duplicates are the values of --on-duplicate-key.
var duplicates = map[string]pack.Duplicates{
	"error": pack.RefuseDuplicates, "keep": pack.KeepDuplicates, "rename": pack.RenameDuplicates,
}

// foresee returns an error if the samples of several sources have equal keys, which is not wanted, as far as that is
// known before any work.
func (o *outputFlags) foresee(ctx context.Context, names []source.Name, from source.Options, c pack.Choice) error {
	together := len(names) > 1 && o.pattern == nil && o.name != ""
	if !together || duplicates[o.equal] != pack.RefuseDuplicates || o.rekey != "" {
		return nil
	}
	return source.SameKeys(ctx, names, from, c)
}

// settings returns the flags that determine the bytes of an output. They are part of checkpoints.
func (o *outputFlags) settings() string {
	return fmt.Sprintf("%d %s %s %q %q %s", o.level, o.others, o.mtime, o.fields, o.rekey, o.equal)
}

// errPipeAllowed returns the error for a pipe without --allow-pipe: a list of shards must not start commands without
// the user's consent.
func errPipeAllowed(name string) error {
	return ui.Usagef("%s: only with --allow-pipe", pipe.Shown(name))
}

// splitFlags are the flags for spreading samples over several outputs.
type splitFlags struct {
	count int
	size  string // see output.ParseSize; "" means no limit
}

func (f *splitFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.count, "split-count", 0, "split into outputs of `N` samples: OUT with %d")
	flags.StringVar(&f.size, "split-size", "", "split into outputs of `S` bytes, as 500M or 1Gi")
}

// split checks the flags and converts them. If existing outputs are skipped only by default, as those of a pattern, they
// are not: it is not known how many outputs there will be.
func (f *splitFlags) split(o *output.Options, skip bool) (s output.Split, err error) {
	s.Count = f.count
	if f.size != "" {
		if s.Bytes, err = output.ParseSize(f.size); err != nil {
			return s, ui.Usagef("--split-size %s: %w", f.size, err)
		}
	}
	if s.Given() && !skip && o.IfExists == output.Skip {
		o.IfExists = output.Overwrite
	}
	return s, s.Check(o)
}

// choice are the flags that choose samples.
type choice struct {
	count   optionalCount
	skip    int
	keys    string
	null    bool
	missing string
	empty   bool
}

// optionalCount is a number that need not be given.
type optionalCount struct {
	n     int
	given bool
}

// String and Type implement pflag.Value.
func (c *optionalCount) String() string { return "" }
func (c *optionalCount) Type() string   { return "int" }

// setting returns the number for checkpoints: 0 if it is not given.
func (c *optionalCount) setting() string {
	if c.given && c.n == 0 {
		return "none"
	}
	return strconv.Itoa(c.n)
}

// Set implements pflag.Value.
func (c *optionalCount) Set(text string) (err error) {
	c.given = true
	c.n, err = strconv.Atoi(text)
	return err
}

func (c *choice) add(flags *pflag.FlagSet) {
	flags.VarP(&c.count, "count", "n", "take only `N` samples")
	flags.IntVar(&c.skip, "skip", 0, "skip the first `N` samples")
	flags.StringVar(&c.keys, "keys", "", "take only the keys in `FILE`, one per line")
	flags.BoolVar(&c.null, "null", false, "keys in FILE end with NUL, as of ls --null")
	flags.StringVar(&c.missing, "missing-keys", "error", "`HOW` if a key is in no sample: error, ignore")
	flags.BoolVar(&c.empty, "allow-empty", false, "no sample to take or write is no error")
}

// rules returns the rules for the flags.
func (c *choice) rules() []rule {
	return []rule{
		{c.count.n < 0, fmt.Sprintf("--count %d: at least 0", c.count.n)},
		{c.skip < 0, fmt.Sprintf("--skip %d: at least 0", c.skip)},
		{c.missing != "error" && c.missing != "ignore", "--missing-keys " + c.missing + ": error or ignore"},
		{c.keys == "" && (c.null || c.missing != "error"), "--null and --missing-keys are for --keys"},
	}
}

// choice checks the flags and converts them.
func (c *choice) choice(ctx context.Context, st store.Store) (pack.Choice, error) {
	if err := firstBroken(c.rules()); err != nil {
		return pack.Choice{}, err
	}
	keys, err := source.ReadKeys(ctx, st, c.keys, c.null)
	return pack.Choice{
		Skip: c.skip, Keys: keys, Count: c.count.n, None: c.count.given && c.count.n == 0,
		IgnoreMissing: c.missing == "ignore", AllowEmpty: c.empty,
	}, err
}

// maxExtension is the greatest length of the extension of a file sample.EXT.
const maxExtension = unix.NAME_MAX - len("sample.")

// isExtension reports whether a file in a sample's directory can have an extension.
func isExtension(ext string) bool {
	key, got, ok := index.MemberKey("key." + ext)
	return ok && key == "key" && got == ext && len(ext) <= maxExtension
}
