package pack

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrDuplicateExtension means that two members of a sample would have the same name.
var ErrDuplicateExtension = errors.New("two members with one extension")

// Selection says which members of a sample are packed, and with which extensions; the flag --fields is one. Members
// keep their order.
type Selection []selected

// selected is one member that a sample is to have.
type selected struct {
	ext  string   // its extension in the output
	from []string // the first of these extensions that the sample has is the one it is made from
}

// ParseSelection reads a list of words between blanks. EXT keeps the member with an extension; NEW=OLD,OLDER keeps the
// one with the first of these extensions that a sample has, under the extension NEW.
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

// apply returns the members that are kept, and whether all that were asked for are there.
func (f Selection) apply(members []Member) (kept []Member, all bool, err error) {
	all = true
	taken := make([]string, len(f)) // extensions that are there, "" for none
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
