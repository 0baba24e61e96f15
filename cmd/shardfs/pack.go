package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/pack"
)

func newPack(ui *ui) *cobra.Command {
	var o outputOptions
	cmd := &cobra.Command{
		Use:   "pack [flags] MOUNTPOINT|DIR -o OUTPUT",
		Short: "Write the samples, as they are now, to a tar",
		Long: `Pack writes the samples of a mount, or of a directory of sample directories, to
a shard: in the order of the shard, new samples at the end. What nobody changed
is copied byte for byte. The mount may stay in use. The output appears under its
name when it is whole, and not before; - is standard output.`,
		Example: `  shardfs pack mnt -o out.tar
  shardfs pack mnt -o out.tgz --level 6
  shardfs pack directory-of-samples -o - | ssh host 'cat >out.tar'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.name == "" {
				return usagef("-o is missing: where should the output go?")
			}
			return packTo(cmd.Context(), ui, &o, args[0])
		},
	}
	o.add(cmd.Flags())
	return cmd
}

// packTo packs a mountpoint or a directory.
func packTo(ctx context.Context, ui *ui, o *outputOptions, place string) error {
	if err := o.check(); err != nil {
		return err
	}
	scratch, err := scratchOf(place)
	if err != nil {
		return err
	}
	if scratch == nil {
		root, err := openTree(place)
		if err != nil {
			return err
		}
		defer root.Close()
		return o.write(ctx, ui, func(w *pack.Writer) error {
			if err := pack.Pack(ctx, w, pack.Base{}, pack.Tree{FS: index.RootFS(root)}); err != nil {
				return err
			}
			if w.Summary().Samples == 0 {
				return noSamples(place)
			}
			return nil
		})
	}
	over, err := openOverlay(scratch)
	if err != nil {
		return err
	}
	defer over.Close()
	stamp, err := over.Stamp()
	if err != nil {
		return err
	}
	if err := o.write(ctx, ui, func(w *pack.Writer) error {
		return pack.Pack(ctx, w, baseOf(over.Shard), over)
	}); err != nil {
		return err
	}
	if err := scratch.MarkPacked(stamp); err != nil {
		return err
	}
	if over.Shard.Cut != "" {
		return fmt.Errorf("%s: %w: %s", over.Shard.Name, errPartly, over.Shard.Cut)
	}
	return nil
}

// noSamples refuses a directory in which there is nothing to do: most likely it is a mountpoint that nothing is mounted on.
func noSamples(place string) error {
	return fmt.Errorf("%s: %w: neither a mount of shardfs nor a directory of sample directories", place, errNoSample)
}

// baseOf returns a shard as pack takes it.
func baseOf(sh *shard.Shard) pack.Base {
	b := pack.Base{Index: sh.Index, Plain: sh.Bytes(), Size: sh.Plain}
	if sh.Cut != "" {
		b.Size = 0 // there is no end to be copied
	}
	return b
}

// openTree opens a plain directory of sample directories.
func openTree(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, os.ErrNotExist)
	}
	if errors.Is(err, unix.ENOTDIR) {
		return nil, usagef("%s: neither a mountpoint nor a directory", dir)
	}
	return root, err
}

// scratchOf returns the scratch directory of a mount of ours, dead or alive, with all that was written to it; nil where
// none is mounted.
func scratchOf(place string) (*overlay.Scratch, error) {
	place, err := absolute(place)
	if err != nil {
		return nil, err
	}
	m, mounted, err := fusefs.At(place)
	if err != nil || !mounted {
		return nil, err
	}
	if err := syncMount(place); err != nil {
		return nil, err
	}
	s, err := overlay.OpenScratch(m.Source)
	if err == nil && s.Mountpoint() != place {
		err = fmt.Errorf("%s: %w: it is mounted elsewhere", m.Source, overlay.ErrScratch)
	}
	return s, err
}

// syncMount has the kernel write what it holds back of a mount's files. Of a dead mount it has nothing.
func syncMount(place string) error {
	dir, err := unix.Open(place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOTCONN || err == unix.ECONNABORTED { // gone, or just going
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: place, Err: err}
	}
	defer unix.Close(dir)
	return unix.Syncfs(dir)
}

// outputOptions are the flags that say what is written and where.
type outputOptions struct {
	name     string
	level    int
	ifExists string
	others   string
	mtime    string
}

func (o *outputOptions) add(flags *pflag.FlagSet) {
	flags.StringVarP(&o.name, "output", "o", "", "write samples to `OUT`: .tar, .tar.gz, .tgz, or - for stdout")
	flags.IntVar(&o.level, "level", 1, "gzip level `N`, 1 to 9")
	flags.StringVar(&o.ifExists, "if-exists", "overwrite", "`HOW` if OUT exists: overwrite, skip, fail")
	flags.StringVar(&o.others, "others", "keep", "`HOW` with members outside samples: keep, drop")
	flags.StringVar(&o.mtime, "mtime", "sample", "`TIME` of new members: sample, file, now, @SECONDS")
}

// check refuses values that mean nothing, before any work is done.
func (o *outputOptions) check() error {
	switch {
	case o.level < 1 || o.level > 9:
		return usagef("--level %d: from 1 to 9", o.level)
	case o.ifExists != "overwrite" && o.ifExists != "skip" && o.ifExists != "fail":
		return usagef("--if-exists %s: overwrite, skip or fail", o.ifExists)
	case o.others != "keep" && o.others != "drop":
		return usagef("--others %s: keep or drop", o.others)
	}
	if _, err := o.packOptions(); err != nil {
		return err
	}
	_, err := o.compressed()
	return err
}

// compressed reports whether the output's name asks for gzip.
func (o *outputOptions) compressed() (bool, error) {
	switch {
	case o.name == "", o.name == "-", strings.HasSuffix(o.name, ".tar"):
		return false, nil
	case strings.HasSuffix(o.name, ".tar.gz"), strings.HasSuffix(o.name, ".tgz"):
		return true, nil
	}
	return false, usagef("%s: the name of an output ends in .tar, .tar.gz or .tgz", o.name)
}

func (o *outputOptions) packOptions() (pack.Options, error) {
	p := pack.Options{DropOthers: o.others == "drop"}
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
			return p, usagef("--mtime %s: not a number of seconds", o.mtime)
		}
		p.Times, p.Fixed = pack.FixedTime, time.Unix(n, 0)
	default:
		return p, usagef("--mtime %s: sample, file, now or @SECONDS", o.mtime)
	}
	return p, nil
}

// output is a tar in the making.
type output struct {
	*pack.Writer
	name  string
	file  *store.Output // nil: standard output
	gzip  *codec.GzipWriter
	begun time.Time
}

// errSkip says that the output exists and nothing need be done.
var errSkip = errors.New("the output exists")

// create begins an output.
func (o *outputOptions) create() (*output, error) {
	p, err := o.packOptions()
	if err != nil {
		return nil, err
	}
	out := &output{name: o.name, begun: time.Now()}
	var sink io.Writer = os.Stdout
	if o.name != "-" {
		out.file, err = store.Create(o.name, o.ifExists == "overwrite")
		if errors.Is(err, store.ErrExists) && o.ifExists == "skip" {
			return nil, errSkip
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		sink = out.file
	}
	gz, err := o.compressed()
	if err == nil && gz {
		out.gzip, err = codec.NewGzipWriter(sink, o.level, 0)
		sink = out.gzip
	}
	if err != nil {
		out.abort()
		return nil, err
	}
	out.Writer = pack.NewWriter(sink, p)
	return out, nil
}

// commit ends the tar and publishes it.
func (out *output) commit() error {
	err := out.Writer.Close()
	if out.gzip != nil {
		err = errors.Join(err, out.gzip.Close())
		out.gzip = nil
	}
	if err != nil {
		out.abort()
		return fmt.Errorf("%s: %w", out.name, err)
	}
	if out.file == nil {
		return nil
	}
	if err := out.file.Commit(); err != nil {
		return fmt.Errorf("%s: %w", out.name, err)
	}
	return nil
}

// abort gives the output up. After commit it does nothing.
func (out *output) abort() {
	if out.gzip != nil {
		out.gzip.Close()
		out.gzip = nil
	}
	if out.file != nil {
		out.file.Abort()
	}
}

// write makes an output of what fill puts into it.
func (o *outputOptions) write(ctx context.Context, ui *ui, fill func(*pack.Writer) error) error {
	out, err := o.create()
	if errors.Is(err, errSkip) {
		ui.note("%s: exists, skipped", o.name)
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
	if err := out.commit(); err != nil {
		return err
	}
	return ui.summary(out)
}

// summary tells what an output holds.
func (u *ui) summary(out *output) error {
	s := out.Summary()
	if u.json && out.file != nil {
		return u.print(struct {
			Output string `json:"output"`
			pack.Summary
			Seconds float64 `json:"seconds"`
		}{out.name, s, time.Since(out.begun).Seconds()})
	}
	text := fmt.Sprintf("%s: %s, %s, %s", out.name, count(s.Samples, "sample"), count(s.Members, "member"), size(s.Bytes))
	if s.LeftOut > 0 {
		text += fmt.Sprintf("; %s left out", count(s.LeftOut, "other file"))
	}
	if s.Emptied > 0 {
		text += fmt.Sprintf("; %s left out", count(s.Emptied, "emptied sample"))
	}
	u.note("%s", text)
	return nil
}

// count returns a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// size returns a number of bytes for reading.
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	f, unit := float64(n), 0
	for f >= 1000 && unit < len(units)-1 {
		f, unit = f/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}
