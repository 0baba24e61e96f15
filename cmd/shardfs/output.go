package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// outputOptions are the flags that say what is written and where.
type outputOptions struct {
	name     string
	level    int
	ifExists string
	others   string
	mtime    string
	fields   string
	rekey    string
	ownEnd   bool // see pack.Options
	anyOrder bool // samples do not come in the order of their shards

	allowPipe  bool
	writeIndex bool
	export     string
}

func (o *outputOptions) add(flags *pflag.FlagSet) {
	flags.StringVarP(&o.name, "output", "o", "", "write samples to `OUT`: "+strings.Join(outputSuffixes(), ", ")+", or - for stdout")
	flags.IntVar(&o.level, "level", 1, "compression level `N`: "+outputLevels())
	flags.StringVar(&o.ifExists, "if-exists", "overwrite", "`HOW` if OUT exists: overwrite, skip, fail")
	flags.StringVar(&o.others, "others", "keep", "`HOW` with members outside samples: keep, drop")
	flags.BoolVar(&o.allowPipe, "allow-pipe", false, "let shards and outputs be pipe:COMMAND, for the shell")
	flags.StringVar(&o.mtime, "mtime", "sample", "`TIME` of new members: sample, file, now, @SECONDS")
	flags.StringVar(&o.fields, "fields", "", "keep only members `SPEC`: 'cls jpg=jpeg,png'")
	flags.StringVar(&o.rekey, "rekey", "", "new keys: `FORMAT` of %d, %09d (a number), {key}")
}

// addIndex adds the flags for what is written beside the output.
func (o *outputOptions) addIndex(flags *pflag.FlagSet) {
	flags.BoolVar(&o.writeIndex, "write-index", false, "write an index file beside the output")
	flags.StringVar(&o.export, "export", "", "write indexes for other tools: `FORMATS` of "+strings.Join(indexformat.Names(), ", "))
}

// check refuses values that mean nothing, before any work is done.
func (o *outputOptions) check() error {
	switch {
	case o.ifExists != "overwrite" && o.ifExists != "skip" && o.ifExists != "fail":
		return ui.Usagef("--if-exists %s: overwrite, skip or fail", o.ifExists)
	case o.others != "keep" && o.others != "drop":
		return ui.Usagef("--others %s: keep or drop", o.others)
	case (o.name == "-" || pipe.Is(o.name)) && (o.writeIndex || o.export != ""):
		return ui.Usagef("-o %s: there is no place beside it for an index", pipe.Shown(o.name))
	case pipe.Is(o.name) && !o.allowPipe:
		return errPipeAllowed(o.name)
	}
	exports, err := exportFormats(o.export)
	if err != nil {
		return err
	}
	if _, err := o.packOptions(); err != nil {
		return err
	}
	format, err := o.format()
	for _, f := range exports {
		if f.NeedsPlain() && format != codec.Plain {
			return ui.Usagef("--export %s: needs a plain output: members of a compressed one have no offsets in the file", f)
		}
	}
	if lowest, highest := format.Levels(); err == nil && (o.level < lowest || o.level > highest) {
		err = ui.Usagef("--level %d: from %d to %d", o.level, lowest, highest)
	}
	return err
}

// format tells by the output's name how it is to be compressed.
func (o *outputOptions) format() (codec.Format, error) {
	format, ok := codec.FormatOf(o.name)
	if ok || o.name == "" || o.name == "-" || pipe.Is(o.name) {
		return format, nil
	}
	suffixes := outputSuffixes()
	last := len(suffixes) - 1
	return format, ui.Usagef("%s: the name of an output ends in %s or %s", o.name, strings.Join(suffixes[:last], ", "), suffixes[last])
}

// outputSuffixes returns what the names of outputs end in.
func outputSuffixes() (list []string) {
	for _, f := range codec.Outputs() {
		list = append(list, f.Suffixes()...)
	}
	return list
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

func (o *outputOptions) packOptions() (pack.Options, error) {
	p := pack.Options{DropOthers: o.others == "drop", OwnEnd: o.ownEnd, Reordered: o.anyOrder}
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
		fields, err := pack.ParseFields(o.fields)
		if err != nil {
			return p, ui.Usagef("--fields %s: %w", o.fields, err)
		}
		p.Fields = fields
	}
	rekey, err := parseRekey(o.rekey)
	p.Rekey = rekey
	return p, err
}

// errPipeAllowed refuses a pipe without --allow-pipe: a list of shards should not start commands unasked.
func errPipeAllowed(name string) error {
	return ui.Usagef("%s: only with --allow-pipe", pipe.Shown(name))
}

// output is a tar in the making.
type output struct {
	*pack.Writer
	sink    io.Writer // what the Writer writes to
	packing pack.Options
	name    string
	o       *outputOptions
	file    *store.Output // nil: standard output or a pipe
	pipe    *pipe.Command // nil: standard output or a file
	coded   codec.Encoder // nil: not compressed
	tap     *indexTap     // nil: not compressed
	begun   time.Time

	tail      *tail // nil: not compressed, or not lasting
	resumable bool  // a checkpoint names the temporary file
}

// errSkip says that the output exists and nothing need be done.
var errSkip = errors.New("the output exists")

// create begins an output. If it is lasting, what was written stays when the process is killed.
func (o *outputOptions) create(ctx context.Context, lasting bool) (*output, error) {
	p, err := o.packOptions()
	if err != nil {
		return nil, err
	}
	out := &output{name: o.name, o: o, begun: time.Now()}
	var sink io.Writer = pipe.NewWriter(ctx, os.Stdout)
	switch {
	case pipe.Is(o.name):
		out.name = pipe.Shown(o.name)
		if out.pipe, err = pipe.OpenWriter(ctx, o.name, os.Stderr); err != nil {
			return nil, fmt.Errorf("%s: %w", out.name, err)
		}
		sink = out.pipe
	case o.name != "-":
		err = patiently(ctx, store.ErrBusy, func() (err error) {
			out.file, err = store.Create(o.name, store.Options{Replace: o.ifExists == "overwrite", Lasting: lasting})
			return err
		})
		if errors.Is(err, store.ErrExists) && o.ifExists == "skip" {
			return nil, errSkip
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		sink = out.file
	}
	format, err := o.format()
	if err == nil {
		if format != codec.Plain {
			out.coded, err = format.NewWriter(sink, o.level, 0)
		}
	}
	if err != nil {
		out.abort()
		return nil, err
	}
	if out.coded != nil {
		out.tap = newIndexTap(out.coded)
		sink = out.tap
		if lasting {
			out.tail = &tail{w: sink, written: out.coded.Written}
			sink = out.tail
		}
	}
	out.sink, out.packing = sink, p
	out.Writer = pack.NewWriter(sink, p)
	return out, nil
}

// refill begins the output with what an earlier one had written at a checkpoint; b is the shard that it was packed from.
func (out *output) refill(ctx context.Context, part *store.Object, b pack.Base, c *checkpoint) error {
	format, err := out.o.format()
	if err != nil {
		return err
	}
	if format == codec.Plain {
		err = out.file.CopyRange(part, 0, c.Mark.Bytes)
	} else {
		var r *codec.Reader
		in := io.NewSectionReader(pipe.NewReaderAt(ctx, part), 0, part.Size())
		if r, err = codec.NewReader(format, in, codec.Options{}); err == nil {
			written := io.LimitReader(r, c.Mark.Bytes-int64(len(c.Tail)))
			_, err = io.CopyN(out.sink, io.MultiReader(written, bytes.NewReader(c.Tail)), c.Mark.Bytes)
		}
	}
	if err != nil {
		return err
	}
	out.Writer = pack.Resume(out.sink, out.packing, b, c.Mark)
	return nil
}

// commit ends the tar and publishes it, and then what is to lie beside it.
func (out *output) commit(ctx context.Context, u *ui.UI) error {
	x, err := out.finish()
	if err != nil {
		out.abort()
		return fmt.Errorf("%s: %w", out.name, err)
	}
	if out.pipe != nil {
		if err := out.pipe.Finish(); err != nil {
			return fmt.Errorf("%s: %w", out.name, err)
		}
		return nil
	}
	if out.file == nil {
		return nil
	}
	if err := out.file.Commit(); err != nil {
		return fmt.Errorf("%s: %w", out.name, err)
	}
	if !out.o.writeIndex && out.o.export == "" {
		return nil
	}
	sh, err := shard.Open(ctx, out.name, shard.Options{Known: x, NoIndex: true, Detail: u.Detail})
	if err != nil {
		return err
	}
	defer sh.Close()
	return writeIndexes(ctx, u, sh, out.o.writeIndex, out.o.export)
}

// finish ends the tar and returns its index. A compressed output gets that too, so that it can be mounted without being
// decoded; a plain one is indexed as quickly as an index is read.
func (out *output) finish() (*index.Index, error) {
	err := out.Writer.Close()
	if out.tap == nil {
		return nil, err
	}
	x, tapErr := out.tap.close()
	if err = errors.Join(err, tapErr); err == nil {
		x.Settle()
		var saved bytes.Buffer
		f := index.Saved{Index: x}
		f.Map.Plain = out.Summary().Bytes
		err = f.Write(&saved)
		if int64(saved.Len()) <= f.Map.Plain/embedShare {
			out.coded.SetExtra(saved.Bytes())
		}
	}
	err = errors.Join(err, out.coded.Close())
	out.coded = nil
	return x, err
}

// embedShare is how many bytes an output has at least for each byte of the index in it: where members are so small that it
// would have more, an index makes the shard too large for what it is worth.
const embedShare = 400

// feeds reports whether a process is the command that takes the output.
func (out *output) feeds(pid int) bool { return out != nil && out.pipe.Owns(pid) }

// abort gives the output up. After commit it does nothing.
func (out *output) abort() {
	if out.tap != nil {
		out.tap.close()
	}
	if out.coded != nil {
		out.coded.Close()
		out.coded = nil
	}
	if out.pipe != nil {
		out.pipe.Abort()
	}
	switch {
	case out.file == nil:
	case out.resumable:
		out.file.Leave()
	default:
		out.file.Abort()
	}
}

// write makes an output of what fill puts into it.
func (o *outputOptions) write(ctx context.Context, u *ui.UI, fill func(*pack.Writer) error) error {
	out, err := o.create(ctx, false)
	if errors.Is(err, errSkip) {
		u.Note("%s: exists, skipped", o.name)
		return nil
	}
	if err != nil {
		return err
	}
	defer out.abort()
	if err := fill(out.Writer); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return out.publish(ctx, u)
}

// publish publishes an output and tells what it holds.
func (out *output) publish(ctx context.Context, u *ui.UI) error {
	if err := out.commit(ctx, u); err != nil {
		return err
	}
	return out.printSummary(u)
}

// printSummary says what an output holds.
func (out *output) printSummary(u *ui.UI) error {
	s := out.Summary()
	if u.JSON && out.file != nil {
		return u.Print(struct {
			Output string `json:"output"`
			pack.Summary
			Seconds float64 `json:"seconds"`
		}{out.name, s, time.Since(out.begun).Seconds()})
	}
	u.Note("%s", out)
	return nil
}

// String says what an output holds.
func (out *output) String() string {
	s := out.Summary()
	text := fmt.Sprintf("%s: %s, %s, %s", out.name, ui.Count(s.Samples, "sample"), ui.Count(s.Members, "member"), ui.Size(s.Bytes))
	if s.LeftOut > 0 {
		text += fmt.Sprintf("; %s left out", ui.Count(s.LeftOut, "other file"))
	}
	if s.Emptied > 0 {
		text += fmt.Sprintf("; %s left out", ui.Count(s.Emptied, "emptied sample"))
	}
	if s.Lacking > 0 {
		text += fmt.Sprintf("; %s without some of the members", ui.Count(s.Lacking, "sample"))
	}
	if s.Others > 0 {
		text += fmt.Sprintf("; %s outside samples left out", ui.Count(s.Others, "member"))
	}
	return text
}
