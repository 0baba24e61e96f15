package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// expandGlob returns the names of the objects in a store that match a pattern, sorted: in it, * and ? stand for
// characters other than slashes, [...] for one of several, and ** also for slashes. An object that has the pattern
// itself as its name is meant alone. Any other name, and all paths, which the shell has expanded, are returned as they
// are. Sidecars and what stands for directories are left out.
func expandGlob(ctx context.Context, st store.Store, name string) ([]string, error) {
	object, query := store.CutQuery(name)
	scheme, rest := store.Split(object)
	bucket, _, _ := strings.Cut(rest, "/")
	begin := len(object) - len(rest) + len(bucket) // a host may be in brackets, too
	meta := strings.IndexAny(object[begin:], "*?[")
	if !isGlob(name) {
		return []string{name}, nil
	}
	shown := store.Redact(name)
	lister, ok := store.ListerFor(st, name)
	if !ok {
		return []string{name}, nil // opening it says why
	}
	if meta < 0 || strings.ContainsAny(bucket, "*?") {
		return nil, ui.Usagef("%s: %s:// lists what is in one bucket, not buckets", shown, scheme)
	}
	pattern := store.Redact(object)
	prefix := pattern[:len(pattern)-len(object)+begin+meta]
	matches, err := globMatcher(pattern)
	if err != nil {
		return nil, ui.Usagef("%s: %w", shown, err)
	}
	var names []string
	near, count := "", 0
	for entry, err := range lister.List(ctx, object[:begin+meta]+query) {
		if errors.Is(err, errors.ErrUnsupported) {
			err := ui.Usagef("%s: servers of %s:// do not list what they have", shown, scheme)
			return nil, ui.WithHint(err, "name the shards: name-{0000..0147}.tar, or @FILE with one a line")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown, err)
		}
		found, ok := strings.CutPrefix(store.Redact(entry.Name), prefix)
		if !ok || strings.HasSuffix(entry.Name, "/") || strings.HasSuffix(found, shard.SidecarSuffix) {
			continue
		}
		if near, count = prefix+found, count+1; near == pattern {
			return []string{name}, nil
		}
		if matches.MatchString(near) {
			names = append(names, object[:begin+meta]+found+query)
		}
		if len(names) > maxShards {
			return nil, ui.Usagef("%s: more than %d shards", shown, maxShards)
		}
	}
	if len(names) == 0 {
		hint := "no name begins with " + prefix
		if count > 0 {
			hint = fmt.Sprintf("of the names that begin with %s, %s is the last", prefix, near)
		}
		return nil, ui.WithHint(fmt.Errorf("%s: %w", shown, errNoMatch), hint)
	}
	return names, nil
}

// isGlob reports whether a name is a pattern for names of objects in a store.
func isGlob(name string) bool {
	object, _ := store.CutQuery(name)
	_, rest := store.Split(object)
	bucket, key, _ := strings.Cut(rest, "/")
	return store.IsRemote(name) && !pipe.Is(name) &&
		(strings.ContainsAny(key, "*?[") || strings.ContainsAny(bucket, "*?"))
}

// errNoMatch is the fs.ErrNotExist of a pattern.
var errNoMatch = noMatch{}

type noMatch struct{}

func (noMatch) Error() string { return "nothing matches" }
func (noMatch) Unwrap() error { return fs.ErrNotExist }

// globMatcher returns what matches the names that a pattern stands for.
func globMatcher(pattern string) (*regexp.Regexp, error) {
	var re strings.Builder
	re.WriteString("(?s)^")
	for rest := pattern; rest != ""; {
		i := strings.IndexAny(rest, "*?[")
		if i < 0 {
			i = len(rest)
		}
		re.WriteString(regexp.QuoteMeta(rest[:i]))
		rest = rest[i:]
		class := strings.IndexByte(strings.TrimPrefix(strings.TrimPrefix(rest, "["), "!"), ']')
		switch {
		case rest == "":
		case strings.HasPrefix(rest, "**/"):
			re.WriteString("(?:.*/)?")
			rest = rest[3:]
		case strings.HasPrefix(rest, "**"):
			re.WriteString(".*")
			rest = rest[2:]
		case rest[0] == '*':
			re.WriteString("[^/]*")
			rest = rest[1:]
		case rest[0] == '?':
			re.WriteString("[^/]")
			rest = rest[1:]
		case class < 1:
			re.WriteString(`\[`) // it is not closed
			rest = rest[1:]
		default:
			inner, after, _ := strings.Cut(rest[1:], "]")
			if negated, ok := strings.CutPrefix(inner, "!"); ok {
				inner = "^/" + negated
			}
			fmt.Fprintf(&re, "[%s]", strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(inner))
			rest = after
		}
	}
	re.WriteString("$")
	m, err := regexp.Compile(re.String())
	if err != nil {
		return nil, errors.New("a pattern that cannot be read")
	}
	return m, nil
}
