package pack

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrDuplicateExtension means that two members of a sample would have the same name.
var ErrDuplicateExtension = errors.New("two members with one extension")

// Selection selects the members of each sample to pack, and their extensions, as the flag --fields does. Members keep
// their order.
type Selection []selected

// selected is one member of a Selection.
type selected struct {
	ext  string   // its extension in the output
	from []string // the member with the first of these extensions that the sample has
}

// ParseSelection parses words separated by blanks. EXT keeps the member with that extension. NEW=OLD,OLDER keeps the
// member with the first of the extensions OLD and OLDER that the sample has, and changes its extension to NEW.
func ParseSelection(spec string) (Selection, error) {
	var selection Selection
	for _, word := range strings.Fields(spec) {
		ext, list, renamed := strings.Cut(word, "=")
		f := selected{ext, []string{ext}}
		if renamed {
			f.from = strings.Split(list, ",")
		}
		switch {
		case ext == "" || slices.Contains(f.from, ""):
			return nil, fmt.Errorf("%q: an extension is missing", word)
		case strings.ContainsAny(ext, ",/"):
			return nil, fmt.Errorf("%q: not an extension", ext)
		case renamed && ext[0] == '.':
			return nil, fmt.Errorf("%q: a new extension is named without its first dot", ext)
		case slices.ContainsFunc(selection, func(other selected) bool { return other.ext == ext }):
			return nil, fmt.Errorf("%q: named twice", ext)
		}
		selection = append(selection, f)
	}
	if len(selection) == 0 {
		return nil, errors.New("no extension is named")
	}
	return selection, nil
}

// extensions are those of the samples to which a Selection was applied.
type extensions struct {
	met   map[string]bool
	taken []bool // by number in the Selection: whether a sample had such a member
}

// note notes the extensions of a sample, and which were taken.
func (e *extensions) note(members []Member, taken []string) {
	if e.met == nil {
		e.met, e.taken = make(map[string]bool), make([]bool, len(taken))
	}
	for _, m := range members {
		if len(e.met) < maxExtensions {
			e.met[m.Ext] = true
		}
	}
	for i, ext := range taken {
		e.taken[i] = e.taken[i] || ext != ""
	}
}

// maxExtensions is how many extensions are remembered for messages.
const maxExtensions = 1000

// Unmatched returns the extensions in Options.Selection for which no sample so far had a member, and those that the
// samples have.
func (w *Writer) Unmatched() (unmatched, met []string) {
	for i, taken := range w.exts.taken {
		if !taken {
			unmatched = append(unmatched, w.o.Selection[i].ext)
		}
	}
	return unmatched, slices.Sorted(maps.Keys(w.exts.met))
}

// apply returns the selected members, and whether the sample has all of them. It notes the extensions in exts.
func (f Selection) apply(members []Member, exts *extensions) (kept []Member, all bool, err error) {
	all = true
	taken := make([]string, len(f)) // extensions found; "" if none
	for i, one := range f {
		n := slices.IndexFunc(one.from, func(ext string) bool {
			return slices.ContainsFunc(members, func(m Member) bool { return m.Ext == ext })
		})
		if n < 0 {
			all = false
			continue
		}
		taken[i] = one.from[n]
	}
	exts.note(members, taken)
	for n, m := range members {
		for i, ext := range taken {
			if ext == "" || ext != m.Ext {
				continue
			}
			if slices.ContainsFunc(members[:n], func(before Member) bool { return before.Ext == ext }) {
				return nil, false, fmt.Errorf("%w: %s", ErrDuplicateExtension, f[i].ext)
			}
			k := m
			k.Ext, k.renamed = f[i].ext, m.renamed || f[i].ext != ext
			kept = append(kept, k)
		}
	}
	return kept, all, nil
}
