package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// Clean removes what killed runs have left of outputs and of indexes beside them, of what may returns true for, and
// yields each when it is removed. Name is that of one output, of those of a [Pattern], or of those of a [Split].
func Clean(
	ctx context.Context, st store.Store, name string, may func(store.Leftover) bool,
) iter.Seq2[store.Leftover, error] {
	return func(yield func(store.Leftover, error) bool) {
		object, query := store.CutQuery(name)
		if path, err := store.Path(name); err == nil {
			object = path
		}
		c := newCleaned(object)
		cleaner, ok := store.CleanerFor(st, name)
		if !ok {
			err := store.Known(st, name)
			if err == nil {
				err = ui.Usagef("%s: nothing is written there, and so nothing is left", store.Redact(name))
			}
			yield(store.Leftover{}, err)
			return
		}
		ours := func(l store.Leftover) bool { return c.names.MatchString(store.Redact(l.Name)) && may(l) }
		for _, prefix := range c.prefixes() {
			for l, err := range cleaner.Clean(ctx, prefix+query, ours) {
				if errors.Is(err, fs.ErrNotExist) {
					break // where nothing is, nothing was left
				}
				if err != nil {
					err = fmt.Errorf("%s: %w", store.Redact(name), err)
				}
				if !yield(l, err) || err != nil {
					return
				}
			}
		}
	}
}

// cleaned are the names of outputs, and of indexes beside them.
type cleaned struct {
	prefix string         // with which all begin
	names  *regexp.Regexp // all of them, without credentials
	dir    string         // the directory in which they are
}

// place is a place in the name of outputs for what differs between them.
func place() *regexp.Regexp {
	return regexp.MustCompile(`\{name\}|` + indexField + "|" + numberPlace)
}

// newCleaned returns the names for that of an output, which has no query.
func newCleaned(object string) cleaned {
	all := []string{object, object + shard.SidecarSuffix}
	for _, f := range indexformat.Names() {
		all = append(all, indexformat.Name(indexformat.Format(f), object))
	}
	c := cleaned{prefix: object, dir: object[:strings.LastIndexByte(object, '/')+1]}
	var alternatives []string
	for _, name := range all {
		c.prefix = common(c.prefix, place().Split(name, 2)[0])
		alternatives = append(alternatives, expression(store.Redact(name)))
	}
	c.names = regexp.MustCompile("^(?:" + strings.Join(alternatives, "|") + ")$")
	return c
}

// expression returns a regular expression for the names that one with places stands for.
func expression(name string) string {
	var b strings.Builder
	texts, places := place().Split(name, -1), place().FindAllString(name, -1)
	for i, text := range texts {
		b.WriteString(regexp.QuoteMeta(text))
		switch {
		case i == len(places):
		case places[i] == "{name}":
			b.WriteString("[^/]+")
		default:
			b.WriteString("[0-9]+")
		}
	}
	return b.String()
}

// prefixes returns what all names begin with: one text for each directory, if the names are of local files.
func (c *cleaned) prefixes() []string {
	if store.IsRemote(c.prefix) || !place().MatchString(c.dir) {
		return []string{c.prefix}
	}
	dirs := []string{""}
	for component := range strings.SplitAfterSeq(c.dir, "/") {
		if !place().MatchString(component) {
			for i := range dirs {
				dirs[i] += component
			}
			continue
		}
		is := regexp.MustCompile("^" + expression(strings.TrimSuffix(component, "/")) + "$")
		var below []string
		for _, dir := range dirs {
			entries, err := os.ReadDir(filepath.Clean(dir))
			if err != nil {
				continue // it has no outputs
			}
			for _, e := range entries {
				if e.IsDir() && is.MatchString(e.Name()) {
					below = append(below, dir+e.Name()+"/")
				}
			}
		}
		dirs = below
	}
	return dirs
}

// CheckCleaned returns an error for a name that is not that of files, or has unknown fields.
func CheckCleaned(flag, name string) error {
	if o := (Options{Name: name}); !o.IsFile() {
		return ui.Usagef("%s %s: nothing is left of a stream", flag, name)
	}
	_, err := ParsePattern(flag, name)
	return err
}
