package pack

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrDuplicateExtension says that two members of a sample would have one name.
var ErrDuplicateExtension = errors.New("two members with one extension")

// Selection says which members of a sample are packed, and with which extensions. They keep the order of the sample's members.
type Selection []field

// field is one member that a sample is to have: the first with one of these extensions that is there.
type field struct {
	ext  string
	from []string
}

// ParseSelection reads a list of words that blanks separate: EXT keeps the members with an extension, and NEW=OLD,OLDER renames
// those with the first of some extensions that a sample has.
func ParseSelection(spec string) (Selection, error) {
	var fields Selection
	for _, word := range strings.Fields(spec) {
		ext, list, renamed := strings.Cut(word, "=")
		f := field{ext, []string{ext}}
		if renamed {
			f.from = strings.Split(list, ",")
		}
		switch {
		case ext == "" || slices.Contains(f.from, ""):
			return nil, fmt.Errorf("%q: an extension is missing", word)
		case strings.ContainsAny(ext, ",/"):
			return nil, fmt.Errorf("%q: not an extension", ext)
		case slices.ContainsFunc(fields, func(other field) bool { return other.ext == ext }):
			return nil, fmt.Errorf("%q: named twice", ext)
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return nil, errors.New("no extension is named")
	}
	return fields, nil
}

// apply returns the members that are kept, and whether all that were asked for are there.
func (f Selection) apply(members []Member) (kept []Member, all bool, err error) {
	all = true
	taken := make([]string, len(f)) // extensions that are there, "" for none
	for i, field := range f {
		n := slices.IndexFunc(field.from, func(ext string) bool {
			return slices.ContainsFunc(members, func(m Member) bool { return m.Ext == ext })
		})
		if n < 0 {
			all = false
			continue
		}
		taken[i] = field.from[n]
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
