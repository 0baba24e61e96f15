package output

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/claim"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// part is a file or object that has the name of one of the outputs of a split.
type part struct {
	number int
	name   string
}

// Claim claims the files that are written for outputs: of those that exist every one whose name the split may use. It
// returns an error if all outputs would have one index, if an index would replace a file that is not one, or if an
// output exists and o.IfExists is Fail.
func (s Split) Claim(ctx context.Context, o *Options, f *claim.Files, flag string) error {
	names := parseTemplate(o.Name)
	for _, format := range o.Exports {
		at := func(number int) string { return indexName(format, names.of(number)) }
		if at(0) == at(1) {
			err := ui.Usagef("--export %s: all outputs would have the same index, %s", format, store.Redact(at(0)))
			return ui.WithHint(err, "put their number before the first dot of the name")
		}
	}
	earlier, err := o.earlier(ctx)
	if err != nil {
		return err
	}
	if o.IfExists == Fail && len(earlier) > 0 {
		return fmt.Errorf("%s: %w", store.Redact(earlier[0].name), store.ErrExists)
	}
	if len(earlier) == 0 || earlier[0].number > 0 {
		earlier = append(earlier, part{0, names.of(0)})
	}
	for _, p := range earlier {
		one := *o
		one.Name = p.name
		if err := one.Claim(ctx, f, flag); err != nil {
			return err
		}
	}
	return nil
}

// of returns the name of an output of a split.
func (t template) of(number int) string {
	return t.with(number, func(text string) string { return text })
}

// earlier returns what has names of a split's outputs, by number.
func (o *Options) earlier(ctx context.Context) (found []part, err error) {
	if path, pathErr := store.Path(o.Name); pathErr == nil {
		found = earlierFiles(parseTemplate(path))
	} else {
		found, err = o.earlierObjects(ctx)
	}
	slices.SortFunc(found, func(a, b part) int { return cmp.Compare(a.number, b.number) })
	return found, err
}

// earlierObjects returns the objects that have names of a split's outputs. In a store without listings it finds none.
func (o *Options) earlierObjects(ctx context.Context) (found []part, err error) {
	object, query := store.CutQuery(o.Name)
	t := parseTemplate(object)
	lister, ok := store.ListerFor(o.store(), o.Name)
	if !ok || len(t.widths) != 1 {
		return nil, nil
	}
	before, after := store.Redact(t.texts[0]), t.texts[1]
	for entry, err := range lister.List(ctx, t.texts[0]+query) {
		switch {
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, fs.ErrNotExist):
			return nil, nil // creating the first output says whether it is an error
		case err != nil:
			return nil, fmt.Errorf("%s: %w", store.Redact(o.Name), err)
		}
		if number, ok := t.number(store.Redact(entry.Name), before, after); ok {
			found = append(found, part{number, t.of(number) + query})
		}
	}
	return found, nil
}

// number returns the number between two texts, if a name is made of these and one as the template writes it.
func (t template) number(name, before, after string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(name, before)
	digits, ok2 := strings.CutSuffix(digits, after)
	number, err := strconv.ParseUint(digits, 10, 31)
	return int(number), ok && ok2 && err == nil && fmt.Sprintf("%0*d", t.widths[0], number) == digits
}

// earlierFiles returns the local files that have names of a split's outputs.
func earlierFiles(t template) (found []part) {
	if len(t.widths) != 1 {
		return nil
	}
	// The number may be in the name of a directory.
	dir, before := filepath.Split(t.texts[0])
	after, _, _ := strings.Cut(t.texts[1], "/")
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil // Create will return the error, if it is one
	}
	for _, e := range entries {
		number, ok := t.number(e.Name(), before, after)
		if !ok {
			continue
		}
		name := t.of(number)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			found = append(found, part{number, name})
		}
	}
	return found
}

// describe names files for messages.
func describe(files []part) string {
	if last := len(files) - 1; last > 3 {
		return fmt.Sprintf("%s to %s (%d)", store.Redact(files[0].name), store.Redact(files[last].name), len(files))
	}
	var names []string
	for _, p := range files {
		names = append(names, store.Redact(p.name))
	}
	return strings.Join(names, ", ")
}

// warnEarlier warns before the first output is written of those of an earlier run: it may have made more.
func (p *parts) warnEarlier(ctx context.Context) (err error) {
	if p.earlier, err = p.o.earlier(ctx); err != nil || len(p.earlier) == 0 || p.o.Purge {
		return err
	}
	p.o.UI.Warn("outputs of an earlier run: %s: those that are not replaced stay, and would be read with the new ones",
		describe(p.earlier))
	if !store.IsRemote(p.o.Name) {
		p.o.UI.Say("hint", "--if-exists overwrite removes those that are not replaced")
	}
	return nil
}

// leaveEarlier removes the outputs of an earlier run that were not replaced, if that is wanted, and warns of those that
// stay. Only shards in local files whose numbers continue those of this run are removed: others may only have similar
// names.
func (p *parts) leaveEarlier(ctx context.Context) error {
	var left []part
	next := p.number
	for _, old := range p.earlier {
		if old.number < p.number {
			continue
		}
		if p.o.Purge && old.number == next && !store.IsRemote(old.name) && p.o.isShard(ctx, old.name) {
			if err := os.Remove(old.name); err != nil {
				return err
			}
			p.o.UI.Note("%s: removed, of an earlier run", old.name)
			next++
			continue
		}
		left = append(left, old)
	}
	if len(left) > 0 {
		p.o.UI.Warn("not of this run: %s: a pattern would read them, too", describe(left))
	}
	return nil
}

// isShard reports whether a file is a shard in the format of the output.
func (o *Options) isShard(ctx context.Context, name string) bool {
	format, err := o.Format()
	if err != nil {
		return false
	}
	in, err := o.store().Open(ctx, name)
	if err != nil {
		return false
	}
	defer in.Close()
	plain := io.Reader(io.NewSectionReader(store.At(ctx, in), 0, in.Size()))
	if format != codec.Plain {
		r, err := codec.NewReader(format, plain, codec.Options{})
		if err != nil {
			return false
		}
		plain = r
	}
	_, err = index.NewScanner(plain).Next()
	return err == nil || err == io.EOF
}
