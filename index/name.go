package index

import (
	"regexp"
	"strings"
)

// MaxKey is the greatest length in bytes of a key with which every verb can work: paths and environments are limited.
// Longer keys can only be read and copied.
const MaxKey = 4096

// grouping is the rule of WebDataset for names, which readers of its shards apply. [SplitName] is faster.
var grouping = regexp.MustCompile(`^((?:.*/|)[^.]+)[.]([^/]*)$`)

// SplitName splits a member's name into the key of its sample and its extension. It returns false for a name outside
// samples: one without an extension, or a hidden file in no directory, which has no key. If it returns true, key + "."
// + ext is the name.
func SplitName(name string) (key, ext string, ok bool) {
	if strings.IndexByte(name, '\n') >= 0 {
		// The dot in grouping does not match a newline; such names are too rare for a faster form.
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
		// The key of a hidden file is its directory with the slash, unless the directory's own name has a dot.
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

// MemberKey is SplitName for the name of a regular file in a tar: it also returns false for names that readers of
// shards skip.
func MemberKey(name string) (key, ext string, ok bool) {
	if IsMeta(name) {
		return "", "", false
	}
	return SplitName(name)
}

// IsMeta reports whether a member's name starts with a component of the form __NAME__, which readers of shards skip.
func IsMeta(name string) bool {
	if !strings.HasPrefix(name, "__") {
		return false
	}
	first, _, _ := strings.Cut(name, "/")
	return len(first) >= 4 && strings.HasSuffix(first, "__")
}
