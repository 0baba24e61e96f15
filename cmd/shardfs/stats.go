package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/survey"
	"github.com/shardfs/shardfs/internal/ui"
)

// statsFlags are the flags of stats.
type statsFlags struct {
	survey.Options
	html string
	from shardFlags
}

func newStats(g *globals) *cobra.Command {
	var o statsFlags
	cmd := &cobra.Command{
		Use:   "stats [flags] SHARD|MOUNTPOINT|DIR|-...",
		Short: "Say in numbers what shards hold",
		Long: `Stats counts what the samples of shards have, all shards together: members by
extension, with the least, the median and the greatest of their sizes, and how
many samples lack the extension. That takes the index alone. Each of the flags
below reads content, too: --pictures at most 64 KiB of a picture, --field the
members that have the field, --contents all texts and JSON, --check all headers.

A median is exact as long as there are at most 65536 different sizes, else to
0.8 %. Of a field at most 10000 values are told apart. What makes no sense, such
as a picture that is none, is counted as such; the exit status is 0 all the same.`,
		Example: `  shardfs stats 'train-{0000..0147}.tgz'
  shardfs stats --field cls --field json.label train-0000.tgz
  shardfs stats --pictures --contents --check --html stats.html train-0000.tgz
  shardfs stats --json train-0000.tgz | jq '.extensions[] | {ext, count}'`,
		Args:              arguments(1, many),
		ValidArgsFunction: completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(o.Fields, "") {
				return ui.Usagef("--field: its value is empty")
			}
			names, err := o.from.names(cmd.Context(), args, false)
			if err != nil {
				return err
			}
			if err := o.checkFiles(args, names); err != nil {
				return err
			}
			s, err := o.survey(cmd.Context(), g.UI, names)
			if err != nil {
				return err
			}
			return o.print(cmd.Context(), g, s, source.NameOfAll(names))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&o.Fields, "field", nil, "count the values of `FIELD`: cls, json.label")
	flags.BoolVar(&o.Pictures, "pictures", false, "width, height and aspect of pictures, by their headers")
	flags.BoolVar(&o.Contents, "contents", false, "lengths of texts, fields of JSON")
	flags.BoolVar(&o.Check, "check", false, "findings of shardfs check, by their codes; in shards only")
	flags.StringVar(&o.html, "html", "", "write a page with plots, which needs no other file, to `FILE`")
	o.from.add(flags, g)
	return cmd
}

// checkFiles returns an error if the page would replace a file that is read.
func (o *statsFlags) checkFiles(args []string, names []source.Name) error {
	f := written()
	if o.html != "" && o.html != output.Stdout {
		if err := store.MayCreate(o.from.globals.stores, o.html); err != nil {
			return fmt.Errorf("--html %s: %w", store.Redact(o.html), err)
		}
		if !mayBePage(o.html) {
			err := ui.Usagef("--html %s: there is a file that is no page", o.html)
			return ui.WithHint(err, "name the page after --html, and then the shards; or remove the file")
		}
		f.Write("--html "+store.Redact(o.html), o.html)
	}
	r := reads{args: args, names: names, from: o.from.looking()}
	return r.check(f)
}

// mayBePage reports whether a file is none that a page should not replace, as a shard would be that was named where the page
// is missing: stats --html A.tar B.tar.
func mayBePage(name string) bool {
	path, err := store.Path(name)
	if err != nil {
		return true
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return true // writing it has more to say
	}
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	head := make([]byte, 64)
	n, _ := io.ReadFull(f, head)
	head = bytes.ToLower(bytes.TrimSpace(head[:n]))
	return n == 0 || bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

// survey surveys sources one after the other.
func (o *statsFlags) survey(ctx context.Context, u *ui.UI, names []source.Name) (*survey.Survey, error) {
	all := new(survey.Survey)
	p := u.StartProgress("stats")
	defer p.Done()
	for _, n := range names {
		o.Progress = func(done, size int64) { p.Set(ui.Work{Bytes: done, Size: size}) }
		s, err := o.surveyOne(ctx, u, n)
		if err != nil {
			return nil, err
		}
		all.Merge(s)
	}
	if all.Samples == 0 {
		u.Note("%s: no samples: %s outside of samples", source.NameOfAll(names), ui.Count(int(all.Outside), "member"))
		return all, nil
	}
	for _, f := range all.Fields {
		if f.Samples == 0 {
			u.Warn("--field %s: no sample has it", ui.Printable(string(f.Name)))
			u.Say("hint", "the extensions are "+extensionsOf(all))
		}
	}
	return all, nil
}

// extensionsOf returns the extensions of a survey, for messages, or the first of them.
func extensionsOf(s *survey.Survey) string {
	const most = 20
	var names []string
	for _, e := range s.Extensions {
		if len(names) == most {
			names = append(names, "others")
			break
		}
		names = append(names, ui.Printable(string(e.Ext)))
	}
	return strings.Join(names, ", ")
}

// surveyOne surveys one source.
func (o *statsFlags) surveyOne(ctx context.Context, u *ui.UI, n source.Name) (*survey.Survey, error) {
	if n.Kind == source.Shard {
		sh, err := source.OpenShard(ctx, u, n.Text, o.from.options())
		if err != nil {
			return nil, err
		}
		s, err := survey.Of(ctx, sh, o.Options)
		if err == nil {
			err = sh.Unchanged(ctx)
		}
		return s, errors.Join(err, sh.Close())
	}
	if o.Check {
		return nil, ui.Usagef("--check: %s is not a shard in a file: shardfs check reads standard input", n)
	}
	src, err := source.Open(ctx, n, o.from.looking())
	if err != nil {
		return nil, err
	}
	defer src.Close()
	b := survey.NewBuilder(n.String(), o.Options)
	for sample, err := range src.Samples() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			if err = b.Add(&sample); err != nil {
				err = fmt.Errorf("%s: %w", n, err)
			}
		}
		if err == nil && sample.Free != nil {
			err = sample.Free()
		}
		if err != nil {
			return nil, err
		}
	}
	return b.Survey(), nil
}

// print prints a survey, and writes the page.
func (o *statsFlags) print(ctx context.Context, g *globals, s *survey.Survey, title string) error {
	if o.html != "" {
		var page bytes.Buffer
		if err := s.WriteHTML(&page, title); err != nil {
			return err
		}
		if o.html == output.Stdout {
			_, err := g.Out.Write(page.Bytes())
			return err
		}
		if err := writeObject(ctx, g.stores, o.html, page.Bytes()); err != nil {
			return fmt.Errorf("--html %s: %w", store.Redact(o.html), err)
		}
	}
	if g.JSON {
		return printSurvey(g.UI, s)
	}
	return writeStats(g.Out, s)
}

// writeObject writes an object that replaces one of its name when it is whole.
func writeObject(ctx context.Context, st store.Store, name string, content []byte) error {
	w, err := st.Create(ctx, name, store.Options{Replace: true})
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Commit(ctx)
}

// printSurvey prints a survey as JSON. Names that are not UTF-8 come as those of other verbs, in name_hex.
func printSurvey(u *ui.UI, s *survey.Survey) error {
	line, err := ui.JSON(s)
	if err != nil {
		return err
	}
	hex := regexp.MustCompile(`"(\w+)":\{"hex":("[0-9a-f]*")\}`) // no string can have this: its quotes are escaped
	_, err = u.Out.Write(hex.ReplaceAll(line, []byte(`"${1}_hex":$2`)))
	return err
}

// writer counts no bytes, but remembers the first error, so that the lines of a table need not look for it.
type writer struct {
	io.Writer
	err error
}

func (w *writer) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.Writer, format, args...)
	}
}
