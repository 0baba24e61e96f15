package index

import (
	"regexp"
	"strings"
)

// grouping is the rule that WebDataset publishes and the readers of its shards apply. [SplitName] is its fast form.
var grouping = regexp.MustCompile(`^((?:.*/|)[^.]+)[.]([^/]*)$`)

// SplitName splits a member's name into the key of its sample and its extension. It reports false for a name that
// belongs to no sample: one without an extension, or a hidden file that has no directory to give it a key.
// For every name that is split, key + "." + ext is the name.
func SplitName(name string) (key, ext string, ok bool) {
	if strings.IndexByte(name, '\n') >= 0 {
		// The rule's dot does not match a newline, which matters only here and is not worth a second hand-written form.
		if m := grouping.FindStringSubmatch(name); m != nil {
			return m[1], m[2], true
		}
		return "", "", false
	}
	base := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[base:], '.')
	if dot < 0 {
		return "", "", false
	}
	if dot == 0 {
		// A hidden file takes its directory, slash included, as key, unless a dot in the directory's own name comes
		// first.
		if base == 0 {
			return "", "", false
		}
		dir := name[:base-1]
		if strings.IndexByte(dir[strings.LastIndexByte(dir, '/')+1:], '.') >= 0 {
			return "", "", false
		}
	}
	dot += base
	return name[:dot], name[dot+1:], true
}

// MemberKey is SplitName for the name of a regular file in a tar: it also passes over the names that readers of shards
// pass over.
func MemberKey(name string) (key, ext string, ok bool) {
	if IsMeta(name) {
		return "", "", false
	}
	return SplitName(name)
}

// IsMeta reports whether a member's name starts with a component of the form __NAME__, which readers of shards skip.
func IsMeta(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return len(first) >= 4 && strings.HasPrefix(first, "__") && strings.HasSuffix(first, "__")
}
